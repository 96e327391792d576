import type { Database } from '../../db/pool.ts';
import { takeUnknownCounts } from '../../db/ledger/unknown-attempts.ts';
import { unknownResolved, unknownSubmits } from './metrics.ts';

/** Makes metrics of what became of ambiguous submits, in whichever process that was noted. */
export async function countUnknownSubmits(pool: Database): Promise<'idle'> {
  for (const { target, by, count } of await takeUnknownCounts(pool)) {
    if (by === null) unknownSubmits.inc({ target }, count);
    else unknownResolved.inc({ target, by }, count);
  }
  return 'idle';
}
