import type pg from 'pg';
import { asOnlyOne } from '../db/only-one.ts';
import { deleteOldRequests } from '../db/recent-requests.ts';
import { deleteOldKeys, endOverdueJobs, endOverrunJobs, showStuckJobs } from '../db/sweep.ts';
import { limits } from '../domain/limits.ts';

export interface SweeperDeps {
  readonly pool: pg.Pool;
  readonly stuckAfterMs: number;
  readonly visibleMax: number;
  readonly onSwept: (kind: 'queue_deadline' | 'run_deadline' | 'stuck', count: number) => void;
}

const batch = 100;
/** A workflow keeps its own run deadline. That long after it, it has not, whatever Temporal says of its state. */
const runDeadlineGraceMs = 60_000;

/**
 * Gives every job its owner beside the workflow: the end when a deadline has passed, and while it waits a workflow to be
 * seen by. One process at a time: two would each show as many as one may. `again`: there may be more that is overdue.
 */
export async function sweep(deps: SweeperDeps): Promise<'again' | 'idle'> {
  let isMore = false;
  await asOnlyOne(deps.pool, 'sweeper', async () => {
    const overdue = await endOverdueJobs(deps.pool, batch);
    const overrun = await endOverrunJobs(deps.pool, { graceMs: runDeadlineGraceMs, count: batch });
    isMore = [overdue, overrun].some(({ length }) => length >= batch);
    deps.onSwept('queue_deadline', overdue.length);
    deps.onSwept('run_deadline', overrun.length);
    deps.onSwept('stuck', await showStuckJobs(deps.pool, deps));
    await deleteOldKeys(deps.pool, { daysKept: limits.idempotencyKeyDaysKept, count: 1_000 });
    // Twice as long as they are of use: the clocks of the API are not ours.
    await deleteOldRequests(deps.pool, { msKept: 2 * limits.inferredRetryMsMax, count: 10_000 });
  });
  return isMore ? 'again' : 'idle';
}
