import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/**
 * The least id that a job may have which was accepted after the last day of which any was pruned: an older one that is missing
 * may have been forgotten, also where jobs are kept for longer since. Empty: none was.
 */
export async function readPrunedBefore(db: Database): Promise<string> {
  const { rows } = await db.query<{ id: string }>({
    name: 'read_pruned_before',
    text: `SELECT coalesce(least_job_id((max(day) + 1)::timestamp AT TIME ZONE 'UTC'), '') AS id FROM pruned_usage`,
  });
  return only(rows, 'pruned_usage').id;
}
