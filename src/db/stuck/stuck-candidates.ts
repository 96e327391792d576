import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { soonMs, type StuckSettings } from '../../domain/stuck.ts';
import type { Database } from '../pool.ts';
import { millis, only } from '../sql.ts';

/** Jobs whose workflow fails its tasks, as the reconciler was told. */
export async function findFailing(db: Database, count: number): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>('SELECT job FROM failing_workflows ORDER BY since LIMIT $1', [count]);
  return rows.map(({ job }) => job);
}

/**
 * Jobs that were begun and have something under way that is old enough to be late, or a video that is not ours for as long.
 * Walks those that are under way, which the pools bound, by the index of their run deadlines. No attempt is late sooner than
 * here, whatever `stuckOf` makes of it: while all is well, next to nobody's whole snapshot is read.
 */
export async function findBegun(
  db: Database,
  { count, stuckAfterMs }: StuckSettings & { readonly count: number },
): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>(
    `SELECT jobs.id AS job FROM jobs
     WHERE jobs.finished_at IS NULL AND jobs.run_deadline IS NOT NULL
       AND EXISTS (
         SELECT FROM attempts CROSS JOIN LATERAL (SELECT jobs.route -> attempts.target::int AS of) AS target
         WHERE attempts.job = jobs.id AND CASE
           WHEN attempts.outcome = 'finished' THEN attempts.ended_at <= ${ago('$2')} AND NOT EXISTS (
             SELECT FROM assets WHERE assets.job = attempts.job AND assets.attempt = attempts.attempt
               AND (assets.stored_at IS NOT NULL OR assets.failure IS NOT NULL))
           WHEN attempts.ended_at IS NOT NULL THEN false
           WHEN attempts.state <> 'accepted' THEN attempts.submitted_at <= ${ago('$2')}
           ELSE coalesce(attempts.queued_at, attempts.answered_at) <= ${ago('$2')}
             AND coalesce(attempts.queued_at, attempts.answered_at)
                 <= ${ago(`$2 + coalesce(least((target.of ->> 'typicalMs')::float8, (target.of ->> 'patienceMs')::float8), 0)`)}
         END)
     ORDER BY jobs.run_deadline
     LIMIT $1`,
    [count, soonMs(stuckAfterMs)],
  );
  return rows.map(({ job }) => job);
}

/** SQL for the moment so many milliseconds ago. */
function ago(milliseconds: string): string {
  return `(SELECT clock_timestamp()) - (${milliseconds}) * interval '1 millisecond'`;
}

/** Jobs of which a subscriber does not hear, the longest first. */
export async function findUntold(
  db: Database,
  { tenant, limit }: { readonly tenant: string | undefined; readonly limit: number },
): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>(
    `SELECT job FROM webhook_deliveries
     WHERE state IN ('pending', 'retrying') AND state = 'retrying' AND job IS NOT NULL AND ($1::text IS NULL OR tenant = $1)
     ORDER BY created_at
     LIMIT $2`,
    [tenant ?? null, limit],
  );
  return rows.map(({ job }) => job);
}

export interface ToldCounts {
  /** Final jobs, of which nothing else can be at stake. */
  readonly final: { readonly jobs: number; readonly oldestSince: number };
  readonly open: readonly JobId[];
  readonly isCapped: boolean;
}

/** The kind of an event says whether its job is final: no other row has to be read. */
export async function countTold(db: Database, afterMs: number): Promise<ToldCounts> {
  const { rows } = await db.query<{ jobs: number; oldestSince: number | null; open: readonly JobId[]; looked: number }>(
    `SELECT count(DISTINCT job) FILTER (WHERE is_final)::int AS jobs, ${millis('min(created_at) FILTER (WHERE is_final)')} AS "oldestSince",
            coalesce(array_agg(DISTINCT job) FILTER (WHERE NOT is_final), '{}') AS open, count(*)::int AS looked
     FROM (
       SELECT job, created_at, kind <> 'video.in_progress' AS is_final FROM webhook_deliveries
       WHERE state IN ('pending', 'retrying') AND state = 'retrying' AND job IS NOT NULL
         AND created_at <= (SELECT clock_timestamp()) - $1 * interval '1 millisecond'
       ORDER BY created_at
       LIMIT $2
     ) AS failing`,
    [afterMs, limits.stuckLookMax],
  );
  const { jobs, oldestSince, open, looked } = only(rows, 'count_told');
  return { final: { jobs, oldestSince: oldestSince ?? Infinity }, open, isCapped: looked >= limits.stuckLookMax };
}
