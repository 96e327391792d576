import type { JobId } from '../../domain/job.ts';
import { failureOf } from '../../domain/failure.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';

/** Which of the late jobs are meant. */
export interface LateJobs {
  readonly count: number;
  /** That could not be ended before. */
  readonly except?: readonly JobId[];
}

const overdue = `(SELECT tickets.job FROM tickets JOIN jobs ON jobs.id = tickets.job
                  WHERE tickets.queue_deadline <= (SELECT clock_timestamp()) AND jobs.phase = 'queued' AND tickets.job <> ALL($2)
                  ORDER BY tickets.queue_deadline
                  LIMIT $1)
                 UNION ALL
                 (SELECT permits.job FROM permits JOIN jobs ON jobs.id = permits.job
                  WHERE permits.submitting AND jobs.queue_deadline <= (SELECT clock_timestamp()) AND jobs.phase = 'queued'
                    AND permits.job <> ALL($2)
                  LIMIT $1)
                 LIMIT $1`;

/** Jobs whose queue deadline has passed before they were begun, in line or with a permit that never got to Temporal. */
export async function findOverdueJobs(db: Database, late: LateJobs): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>(overdue, [late.count, late.except ?? []]);
  return rows.map(({ job }) => job);
}

/**
 * Ends jobs whose queue deadline has passed before they were begun, in line or with a permit that never got anywhere
 * because Temporal is away. A workflow that waits for its permit is told, with
 * the same word as a cancel: it asks for the verdict that stands. Returns the jobs ended.
 */
export async function endOverdueJobs(db: Database, late: LateJobs): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>({
    name: 'end_overdue_jobs',
    text: `WITH overdue AS (${overdue}), ended AS (
             SELECT overdue.job FROM overdue, settle_job(overdue.job, 'failed', NULL, $3) AS verdict
             WHERE verdict.was_settled_now
           ), told AS (
             INSERT INTO mailbox (job, kind)
             SELECT ended.job, 'cancel' FROM ended JOIN jobs ON jobs.id = ended.job WHERE jobs.dispatched_at IS NOT NULL
             ON CONFLICT (job, kind, attempt) DO NOTHING
           )
           SELECT job FROM ended`,
    values: [late.count, late.except ?? [], failureOf('queue_deadline')],
  });
  return rows.map(({ job }) => job);
}

/** That their workflow should have ended, so long after their run deadline. */
export interface OverrunJobs extends LateJobs {
  readonly graceMs: number;
}

const overrun = `SELECT id AS job FROM jobs
                 WHERE finished_at IS NULL AND run_deadline < (SELECT clock_timestamp()) - $3 * interval '1 millisecond'
                   AND id <> ALL($2)
                   AND (run_deadline < (SELECT clock_timestamp()) - ($3 + ${limits.storeMsMax}) * interval '1 millisecond' OR NOT EXISTS (
                     SELECT 1 FROM attempts a LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt
                     WHERE a.job = jobs.id AND a.outcome = 'finished' AND s.failure IS NULL))
                 ORDER BY run_deadline
                 LIMIT $1`;

export async function findOverrunJobs(db: Database, late: OverrunJobs): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>(overrun, [late.count, late.except ?? [], late.graceMs]);
  return rows.map(({ job }) => job);
}

/**
 * Ends jobs whose run deadline passed `graceMs` ago: their workflow should have done so, and can't. A job with a finished
 * video has the time of its copy as well. The workflow is told as above, for when it can again. Returns the jobs ended.
 */
export async function endOverrunJobs(db: Database, late: OverrunJobs): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ job: JobId }>({
    name: 'end_overrun_jobs',
    text: `WITH overrun AS (${overrun}), ended AS (
             SELECT overrun.job FROM overrun, settle_job(overrun.job, 'failed', NULL, $4) AS verdict
             WHERE verdict.was_settled_now
           ), told AS (
             INSERT INTO mailbox (job, kind) SELECT job, 'cancel' FROM ended ON CONFLICT (job, kind, attempt) DO NOTHING
           )
           SELECT job FROM ended`,
    values: [late.count, late.except ?? [], late.graceMs, failureOf('timed_out', { retry: 'never' })],
  });
  return rows.map(({ job }) => job);
}

/** Forgets idempotency keys that are older than we promise to keep them. */
export async function deleteOldKeys(db: Database, settings: { daysKept: number; count: number }): Promise<number> {
  const { rowCount } = await db.query({
    name: 'delete_old_keys',
    text: `DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM idempotency_keys WHERE created_at < (SELECT clock_timestamp()) - $1 * interval '1 day' LIMIT $2))`,
    values: [settings.daysKept, settings.count],
  });
  return rowCount ?? 0;
}
