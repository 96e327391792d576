import { type EventPosition, isToCome } from '../../db/jobs/events.ts';
import type { Database } from '../../db/pool.ts';
import { isJobId } from '../../domain/job.ts';
import type { Cursors } from './cursors.ts';
import type { DatabaseWait } from '../database-wait.ts';
import { fieldProblem } from '../problems/problem.ts';

/** Places among the events of one tenant, as its readers keep them. */
export interface EventCursors {
  seal(position: EventPosition): string;
  /** Throws a problem with the field that the cursor came in. */
  open(cursor: string, pointer: string): Promise<EventPosition>;
}

export interface EventCursorDeps {
  readonly pool: Database;
  readonly cursors: Cursors;
}

export interface EventCursorWish {
  readonly tenant: string;
  readonly wait: DatabaseWait;
}

export async function loadEventCursors(
  { pool, cursors }: EventCursorDeps,
  { tenant, wait }: EventCursorWish,
): Promise<EventCursors> {
  const seal = await wait.answered(cursors.load());
  return {
    seal: ({ tx, job, seq }) => seal.seal(['events', tenant], [tx, job, String(seq)]),
    async open(cursor, pointer) {
      const [tx = '', job = '', seq = ''] = seal.open(['events', tenant], cursor) ?? [];
      if (!/^\d{1,20}$/.test(tx) || !/^\d{1,9}$/.test(seq) || (job !== '' && !isJobId(job)))
        throw fieldProblem('invalid_request', pointer, 'This has to be the `id` of an event of this stream.');
      // Of a database that this one was restored from. Its reader would be told nothing for as long as we take to get there.
      if (await wait.answered(isToCome(pool, tx)))
        throw fieldProblem('invalid_request', pointer, 'The events were counted anew since. Begin without it.');
      return { tx, job, seq: Number(seq) };
    },
  };
}
