import type pg from 'pg';
import { asOnlyOne } from '../db/only-one.ts';
import { deleteOldKeys, endOverdueJobs, showStuckJobs } from '../db/sweep.ts';
import { limits } from '../domain/limits.ts';

export interface SweeperDeps {
  readonly pool: pg.Pool;
  readonly stuckAfterMs: number;
  readonly visibleMax: number;
  readonly onSwept: (kind: 'queue_deadline' | 'stuck', count: number) => void;
}

const batch = 100;

/**
 * Gives every waiting job its owner: the end when its queue deadline passes, and a workflow to be seen by. One process
 * at a time: two would each show as many as one may.
 */
export async function sweep(deps: SweeperDeps): Promise<boolean> {
  return await asOnlyOne(deps.pool, 'sweeper', async () => {
    deps.onSwept('queue_deadline', (await endOverdueJobs(deps.pool, batch)).length);
    deps.onSwept('stuck', await showStuckJobs(deps.pool, deps));
    await deleteOldKeys(deps.pool, { daysKept: limits.idempotencyKeyDaysKept, count: 1_000 });
  });
}
