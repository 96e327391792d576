import type { Activities } from '../contracts/activities.ts';
import type { RetentionActivities } from '../contracts/enforce-retention.ts';
import { createBookkeeping } from './bookkeeping.ts';
import type { ActivityDeps } from './deps.ts';
import { createRemoveExpired } from './remove-expired.ts';
import { createStopAttempt } from './stop-attempt.ts';
import { createStoreAsset } from './store-asset.ts';
import { createSubmitAttempt } from './submit-attempt.ts';
import { createWatchAttempt } from './watch-attempt.ts';

export type { ActivityDeps } from './deps.ts';

/** Everything the workflows may ask of the world. */
export function createActivities(deps: ActivityDeps): Activities & RetentionActivities {
  return {
    submitAttempt: createSubmitAttempt(deps),
    watchAttempt: createWatchAttempt(deps),
    storeAsset: createStoreAsset(deps),
    stopAttempt: createStopAttempt(deps),
    removeExpired: createRemoveExpired(deps),
    ...createBookkeeping(deps),
  };
}
