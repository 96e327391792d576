import type { OwnedJob } from '../domain/job.ts';
import type { Database } from './pool.ts';
import { only } from './sql.ts';

/** Asks for the end of a job. Returns the phase that stands, `cancelling` while its workflow has to end it. */
export async function requestCancel(db: Database, job: OwnedJob): Promise<string | null> {
  const { rows } = await db.query<{ phase: string | null }>({
    name: 'request_cancel',
    text: 'SELECT request_cancel($1, $2) AS phase',
    values: [job.id, job.tenant],
  });
  return only(rows, 'request_cancel').phase;
}
