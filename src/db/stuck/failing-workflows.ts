import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

/**
 * Jobs whose workflow fails its tasks now: since when is kept. Of all of them, who is not named any more is well; of a list that
 * was cut (`isCapped`) nobody knows.
 */
export async function noteFailingWorkflows(db: Database, jobs: readonly JobId[], isCapped = false): Promise<void> {
  await db.query({
    name: 'note_failing_workflows',
    text: `WITH well AS (
             DELETE FROM failing_workflows
             WHERE (NOT $2 AND job <> ALL($1::text[])) OR EXISTS (SELECT FROM jobs WHERE jobs.id = job AND jobs.finished_at IS NOT NULL)
           )
           INSERT INTO failing_workflows (job)
           SELECT id FROM jobs WHERE id = ANY($1::text[]) AND finished_at IS NULL
           ON CONFLICT (job) DO NOTHING`,
    values: [jobs, isCapped],
  });
}
