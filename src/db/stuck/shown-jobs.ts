import { limits } from '../../domain/limits/limits.ts';
import { refusals, soonMs } from '../../domain/stuck.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';
import { refusalOf, refusingLines } from './waiting-jobs.ts';

/** `$4` milliseconds. Further attempts in such lines, whose workflow was told of nothing yet: they are few, and have an index. */
const retriesOfRefusing = `SELECT tickets.* FROM refusing JOIN tickets
    ON tickets.pool = refusing.pool AND tickets.target_name = refusing.name AND tickets.kind = 'retry'
  WHERE tickets.told_refusal IS NULL AND tickets.waiting_since <= (SELECT clock_timestamp()) - $4 * interval '1 millisecond'`;

export interface ShowSettings {
  readonly stuckAfterMs: number;
  readonly visibleMax: number;
}

/** `$1` milliseconds, `$2` how many, `$3` the codes. The oldest of the line, however long it is. */
const oldest = `SELECT tickets.* FROM tickets
  WHERE tickets.kind = 'first' AND tickets.accepted_at < (SELECT clock_timestamp()) - $1 * interval '1 millisecond'
  ORDER BY tickets.accepted_at
  LIMIT $2`;

/** The oldest of each line whose provider refuses everybody: who only has Temporal UI is to find some of every cause. */
const oldestOfRefusing = `SELECT own.* FROM refusing CROSS JOIN LATERAL (
    SELECT tickets.* FROM tickets
    WHERE tickets.pool = refusing.pool AND tickets.target_name = refusing.name AND tickets.kind = 'first'
      AND tickets.accepted_at < (SELECT clock_timestamp()) - $1 * interval '1 millisecond'
    ORDER BY tickets.accepted_at
    LIMIT $2
  ) AS own`;

/**
 * Starts the workflows of jobs that have waited longer than `stuckAfterMs`, without a permit, so that operators see them
 * in Temporal UI: the oldest `visibleMax` of the line. Their workflow is told since when they wait, and why.
 */
export async function showStuckJobs(db: Database, { stuckAfterMs, visibleMax }: ShowSettings): Promise<number> {
  const { rowCount } = await db.query({
    name: 'show_stuck_jobs',
    text: show(oldest),
    values: [stuckAfterMs, visibleMax, refusals],
  });
  return rowCount ?? 0;
}

/** The same of each line whose provider refuses, which others may stand before: a few. Walks the line, so now and then only. */
export async function showRefusedJobs(db: Database, { stuckAfterMs }: ShowSettings): Promise<number> {
  const { rowCount } = await db.query({
    name: 'show_refused_jobs',
    text: show(oldestOfRefusing),
    values: [stuckAfterMs, limits.shownOfRefusingMax, refusals],
  });
  return rowCount ?? 0;
}

function show(candidates: string): string {
  return `WITH ${refusingLines('$3')}, stuck AS (
      SELECT jobs.id, ${refusalOf('$3')} AS refusal, tickets.accepted_at, nullif(tickets.target, 0) AS target
      FROM (${candidates}) AS tickets JOIN jobs ON jobs.id = tickets.job
      WHERE jobs.dispatched_at IS NULL
      FOR NO KEY UPDATE OF jobs SKIP LOCKED
    ), dispatched AS (
      UPDATE jobs SET dispatched_at = clock_timestamp() FROM stuck WHERE jobs.id = stuck.id
      RETURNING jobs.id, stuck.refusal, stuck.accepted_at, stuck.target
    ), told AS (
      UPDATE tickets SET told_refusal = dispatched.refusal FROM dispatched
      WHERE tickets.job = dispatched.id AND dispatched.refusal IS NOT NULL
    )
    INSERT INTO mailbox (job, kind, payload)
    SELECT id, 'start', jsonb_strip_nulls(jsonb_build_object(
      'waitingSince', floor(${millis('accepted_at')}), 'refusal', refusal, 'target', target))
    FROM dispatched
    ON CONFLICT (job, kind, attempt) DO NOTHING`;
}

/**
 * Tells the workflows of those who were shown, and of jobs that wait for a further attempt, when the provider begins or ceases to refuse their line: one message each, and
 * none while the last one is on its way.
 */
export async function tellShownJobs(db: Database, { visibleMax, stuckAfterMs }: ShowSettings): Promise<number> {
  const { rowCount } = await db.query({
    name: 'tell_shown_jobs',
    text: `WITH ${refusingLines('$3')}, candidates AS (
             SELECT id FROM (${oldest}) AS first
             UNION SELECT id FROM (${oldestOfRefusing}) AS refused
             UNION SELECT id FROM (${retriesOfRefusing}) AS retries
             UNION SELECT id FROM tickets WHERE told_refusal IS NOT NULL AND kind <> 'overlap'
           ), changed AS (
             SELECT tickets.id, tickets.job, now.refusal
             FROM candidates JOIN tickets ON tickets.id = candidates.id JOIN jobs ON jobs.id = tickets.job
             CROSS JOIN LATERAL (SELECT ${refusalOf('$3')} AS refusal) AS now
             WHERE jobs.dispatched_at IS NOT NULL AND jobs.finished_at IS NULL
               AND tickets.told_refusal IS DISTINCT FROM now.refusal
             LIMIT ${limits.toldWaitsMax}
             FOR NO KEY UPDATE OF jobs SKIP LOCKED
           ), mailed AS (
             INSERT INTO mailbox (job, kind, payload)
             SELECT job, 'repair', jsonb_build_object('refusal', refusal) FROM changed
             ON CONFLICT (job, kind, attempt) DO NOTHING
             RETURNING job
           )
           UPDATE tickets SET told_refusal = changed.refusal FROM changed JOIN mailed ON mailed.job = changed.job
           WHERE tickets.id = changed.id`,
    values: [stuckAfterMs, visibleMax, refusals, soonMs(stuckAfterMs)],
  });
  return rowCount ?? 0;
}
