import type { Activities } from '../contracts/activities.ts';
import { type AttemptToCheck, findAttemptToCheck } from '../db/ledger/attempt-to-check.ts';
import { endAttempt } from '../db/ledger/attempts.ts';
import {
  endOf,
  type OperationHandle,
  type Progress,
  ProviderUnreachableError,
  type VideoProvider,
} from '../providers/provider.ts';
import type { ActivityDeps } from './deps.ts';

/**
 * Stops what nobody wants any more, where stopping ends the cost too. A vendor that only forgets is never asked. That it
 * took our word is not yet its end: the slot is free when it says so, here or to whoever polls the zombie.
 */
export function createStopAttempt(deps: ActivityDeps): Activities['stopAttempt'] {
  return async function stopAttempt({ jobId, attempt }) {
    const found = await findAttemptToCheck(deps.db, jobId, attempt);
    const provider = deps.providers.get(found?.provider ?? '');
    const handle = found && handleOf(found);
    if (handle === undefined || found?.outcome !== null || provider?.cancelMeans !== 'stops') return;
    if ((await provider.cancel?.(handle)) !== true) return;
    const progress = await look(provider, handle);
    if (progress?.kind === 'finished')
      await endAttempt(deps.db, { jobId, attempt, evidence: 'check', ...endOf(progress) });
    // What a stopped job costs differs between vendors, so it is booked as if it had been made.
    if (progress?.kind === 'failed') await endAttempt(deps.db, { jobId, attempt, evidence: 'stop', outcome: 'lost' });
    deps.onEvents?.();
  };
}

function handleOf({ operation, route, target }: AttemptToCheck): OperationHandle | undefined {
  const model = route[target]?.vendorModel;
  return operation === null || model === undefined ? undefined : { operation, model };
}

/** Nothing, when there was no answer: the reconciler asks again. */
async function look(provider: VideoProvider, handle: OperationHandle): Promise<Progress | undefined> {
  try {
    return await provider.check(handle);
  } catch (error) {
    if (error instanceof ProviderUnreachableError) return undefined;
    throw error;
  }
}
