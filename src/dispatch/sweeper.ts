import type pg from 'pg';
import { asOnlyOne } from '../db/only-one.ts';
import { deleteOldRequests } from '../db/jobs/recent-requests.ts';
import { showStuckJobs } from '../db/stuck/shown-jobs.ts';
import { deleteOldKeys, endOverdueJobs, endOverrunJobs, findOverdueJobs, findOverrunJobs } from '../db/jobs/sweep.ts';
import { limits } from '../domain/limits/limits.ts';
import { endLateJobs, type LateJobsEnded, type LateKind } from './end-late-jobs.ts';

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
    const overdue = await endLateJobs(overdueJobs(deps), batch);
    const overrun = await endLateJobs(overrunJobs(deps), batch);
    isMore = [overdue, overrun].some(({ ended }) => ended.length >= batch);
    deps.onSwept('queue_deadline', overdue.ended.length);
    deps.onSwept('run_deadline', overrun.ended.length);
    deps.onSwept('stuck', await showStuckJobs(deps.pool, deps));
    await deleteOldKeys(deps.pool, { daysKept: limits.idempotencyKeyDaysKept, count: 1_000 });
    // Twice as long as they are of use: the clocks of the API are not ours.
    await deleteOldRequests(deps.pool, { msKept: 2 * limits.inferredRetryMsMax, count: 10_000 });
    // Last of all, so that everything else was done.
    refuseStuck([...overdue.stuck, ...overrun.stuck]);
  });
  return isMore ? 'again' : 'idle';
}

function overdueJobs({ pool }: SweeperDeps): LateKind {
  return { find: (which) => findOverdueJobs(pool, which), end: (which) => endOverdueJobs(pool, which) };
}

function overrunJobs({ pool }: SweeperDeps): LateKind {
  const graceMs = runDeadlineGraceMs;
  return {
    find: (which) => findOverrunJobs(pool, { ...which, graceMs }),
    end: (which) => endOverrunJobs(pool, { ...which, graceMs }),
  };
}

function refuseStuck(stuck: LateJobsEnded['stuck']): void {
  const [first] = stuck;
  if (first === undefined) return;
  const ids = stuck.slice(0, 10).map(({ jobId }) => jobId);
  throw new Error(`${stuck.length} late jobs could not be ended, such as ${ids.join(', ')}`, { cause: first.error });
}
