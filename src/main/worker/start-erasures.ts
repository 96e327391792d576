import type pg from 'pg';
import { eraseJobs } from '../../activities/erase-jobs.ts';
import { startLoop } from '../../dispatch/wake.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Wake } from './start-dispatch.ts';
import type { Stoppable } from '../stop.ts';
import type { WorkerSettings } from './settings.ts';

export interface Erasures extends Stoppable {
  readonly wake: Wake;
}

/** How often it looks by itself: a job that was deleted under way tells nobody when it ends. */
const everyMs = 500;

/** The loop that completes deletions. A round under way is waited for, as every step of it has its deadline. */
export function startErasures(
  { vendors, log }: WorkerSettings,
  { pool, store }: { readonly pool: pg.Pool; readonly store: ObjectStore },
): Erasures {
  const loop = startLoop({
    everyMs,
    round: () => eraseJobs({ db: pool, store, providers: vendors.providers, log }),
    onError: (error) => log.warn({ err: error, loop: 'erasures' }, 'round failed'),
  });
  return {
    wake(kinds) {
      if (kinds.includes('erase')) loop.wake();
    },
    stop: () => loop.stop(),
  };
}
