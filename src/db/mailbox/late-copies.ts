import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';

/**
 * Has the workflow of each video look at itself whose copy is late, once, so that it shows as stuck: a timer in the workflow
 * would cost each healthy copy two events, and a try of the copy that told of it would tell again with each of its retries.
 */
export async function tellLateCopies(db: Database): Promise<void> {
  await db.query({
    name: 'tell_late_copies',
    text: `WITH span AS MATERIALIZED (
             SELECT clock_timestamp() - $1 * interval '1 millisecond' AS until,
                    coalesce((SELECT at FROM watermarks WHERE id = 'late_copies'), '-infinity') AS since
           ), told AS (
             INSERT INTO mailbox (job, kind, attempt)
             SELECT attempts.job, 'repair', attempts.attempt
             FROM jobs JOIN attempts ON attempts.job = jobs.id
             LEFT JOIN assets ON assets.job = attempts.job AND assets.attempt = attempts.attempt
             WHERE jobs.finished_at IS NULL AND jobs.run_deadline IS NOT NULL AND attempts.outcome = 'finished'
               AND attempts.ended_at > (SELECT since FROM span) AND attempts.ended_at <= (SELECT until FROM span)
               AND assets.stored_at IS NULL AND assets.failure IS NULL
             ON CONFLICT (job, kind, attempt) DO NOTHING
           )
           INSERT INTO watermarks (id, at) SELECT 'late_copies', until FROM span
           ON CONFLICT (id) DO UPDATE SET at = greatest(watermarks.at, excluded.at)`,
    values: [limits.copyLateMs],
  });
}
