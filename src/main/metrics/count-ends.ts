import { takeEndCounts } from '../../db/jobs/ends.ts';
import type { Database } from '../../db/pool.ts';
import { attemptsEnded, jobsEnded } from './metrics.ts';

/** Makes metrics of what has ended, in whichever process that was noted. */
export async function countEnds(pool: Database): Promise<'idle'> {
  for (const { target, outcome, evidence, count } of await takeEndCounts(pool)) {
    if (target === null) jobsEnded.inc({ phase: outcome }, count);
    else attemptsEnded.inc({ target, outcome, evidence: evidence ?? '' }, count);
  }
  return 'idle';
}
