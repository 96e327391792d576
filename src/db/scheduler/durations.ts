import { type ObservedDurations, sketchQuantiles } from '../../domain/durations.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { TargetKey } from './health.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

export interface DurationRow extends TargetKey, ObservedDurations {}

/**
 * The quantiles of the newest videos of each target, where any were made. A job that had its end before its attempt tells
 * when we looked, not when the video was made. The collation is that of the index, which no other could read.
 */
export async function readDurationsOfTargets(db: Database): Promise<readonly DurationRow[]> {
  const { rows } = await db.query<DurationRow>(
    `SELECT targets.pool, targets.name, made.count, made.quantiles AS "quantilesMs",
            made.before AS "beforeMs", made.after AS "afterMs"
     FROM targets CROSS JOIN LATERAL (
       SELECT count(*)::int AS count, percentile_cont($1::float8[]) WITHIN GROUP (ORDER BY ms) AS quantiles,
              percentile_cont(0.5) WITHIN GROUP (ORDER BY before) AS before, percentile_cont(0.8) WITHIN GROUP (ORDER BY after) AS after
       FROM (
         SELECT ${millis('newest.ended_at - newest.submitted_at')} AS ms, ${millis('jobs.finished_at - newest.ended_at')} AS after,
                CASE WHEN newest.attempt = 1 THEN ${millis('newest.submitted_at - jobs.dispatched_at')} END AS before
         FROM (
           SELECT job, attempt, outcome, submitted_at, ended_at FROM attempts
           WHERE attempts.pool = targets.pool AND attempts.target_name = targets.name COLLATE "default" AND ended_at IS NOT NULL
           ORDER BY ended_at DESC
           LIMIT ${limits.durationRowsMax}
         ) AS newest JOIN jobs ON jobs.id = newest.job
         WHERE newest.outcome = 'finished' AND (jobs.finished_at IS NULL OR jobs.finished_at >= newest.ended_at)
         ORDER BY newest.ended_at DESC
         LIMIT ${limits.durationsOfSketchMax}
       ) AS finished
     ) AS made
     WHERE made.count > 0`,
    [sketchQuantiles],
  );
  return rows;
}

export async function writeDurations(db: Database, { pool, name, ...durations }: DurationRow): Promise<void> {
  await db.query({
    name: 'write_durations',
    text: 'UPDATE targets SET durations = $3 WHERE pool = $1 AND name = $2 AND durations IS DISTINCT FROM $3',
    values: [pool, name, durations],
  });
}
