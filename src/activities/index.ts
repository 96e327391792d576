import type { Activities } from '../contracts/activities.ts';
import { createBookkeeping } from './bookkeeping.ts';
import type { ActivityDeps } from './deps.ts';
import { createStopAttempt } from './stop-attempt.ts';
import { createSubmitAttempt } from './submit-attempt.ts';
import { createWatchAttempt } from './watch-attempt.ts';

export type { ActivityDeps } from './deps.ts';

/** Everything the workflows may ask of the world. */
export function createActivities(deps: ActivityDeps): Activities {
  return {
    submitAttempt: createSubmitAttempt(deps),
    watchAttempt: createWatchAttempt(deps),
    stopAttempt: createStopAttempt(deps),
    ...createBookkeeping(deps),
  };
}
