import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

/**
 * Notes that a job's picture lies under `key` as vendors get it, and that no other is needed. Repeating it changes
 * nothing. False: the job has no picture any more, because it was erased or its time is over.
 */
export async function keepPreparedPicture(
  db: Database,
  { jobId, key }: { readonly jobId: JobId; readonly key: string },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'keep_prepared_picture',
    text: `UPDATE jobs SET input_image = $2, input_prepared = true, input_url = NULL
           WHERE id = $1 AND input_removed_at IS NULL AND (input_image IS NOT NULL OR input_url IS NOT NULL)`,
    values: [jobId, key],
  });
  return rowCount === 1;
}
