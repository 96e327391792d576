import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

/**
 * Has the workflow of a job started that waits in Postgres alone, without a permit, as the sweeper does for the oldest. `shown`:
 * it was started before. Wake the relay after `started`.
 */
export async function showJob(db: Database, jobId: JobId): Promise<'started' | 'shown' | 'final' | 'not_found'> {
  const { rows } = await db.query<{ state: 'started' | 'shown' | 'final' }>({
    name: 'show_job',
    text: `WITH asked AS MATERIALIZED (
             SELECT id, finished_at, dispatched_at FROM jobs WHERE id = $1 AND erase_requested_at IS NULL FOR NO KEY UPDATE
           ), dispatched AS (
             UPDATE jobs SET dispatched_at = clock_timestamp() FROM asked
             WHERE jobs.id = asked.id AND asked.finished_at IS NULL AND asked.dispatched_at IS NULL
             RETURNING jobs.id
           ), mailed AS (
             INSERT INTO mailbox (job, kind) SELECT id, 'start' FROM dispatched ON CONFLICT (job, kind, attempt) DO NOTHING
           )
           SELECT CASE WHEN finished_at IS NOT NULL THEN 'final' WHEN dispatched_at IS NULL THEN 'started' ELSE 'shown' END AS state
           FROM asked`,
    values: [jobId],
  });
  return rows[0]?.state ?? 'not_found';
}
