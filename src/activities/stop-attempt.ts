import type { Activities } from '../contracts/activities.ts';
import { endAttempt, findAttemptToCheck } from '../db/attempts.ts';
import type { ActivityDeps } from './deps.ts';

/** Stops what nobody wants any more, where stopping ends the cost too. A vendor that only forgets is never asked. */
export function createStopAttempt(deps: ActivityDeps): Activities['stopAttempt'] {
  return async function stopAttempt({ jobId, attempt }) {
    const found = await findAttemptToCheck(deps.db, jobId, attempt);
    const provider = deps.providers.get(found?.provider ?? '');
    const model = found?.route[found.target]?.vendorModel;
    if (!found?.operation || model === undefined || found.outcome !== null || provider?.cancelMeans !== 'stops') return;
    const stopped = await provider.cancel?.({ operation: found.operation, model });
    if (stopped === true) await endAttempt(deps.db, { jobId, attempt, evidence: 'stop', outcome: 'lost' });
  };
}
