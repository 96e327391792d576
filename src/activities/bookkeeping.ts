import type { Activities } from '../contracts/activities.ts';
import * as db from '../db/settle.ts';
import type { ActivityDeps } from './deps.ts';

/** The quick writes: the place of a further attempt, and the end. */
export function createBookkeeping(
  deps: Pick<ActivityDeps, 'db' | 'log' | 'onQueued' | 'onEvents'>,
): Pick<Activities, 'queueAttempt' | 'settleJob'> {
  return {
    async queueAttempt(order) {
      const answer = await db.queueAttempt(deps.db, order);
      deps.onQueued();
      deps.onEvents?.();
      return answer;
    },

    async settleJob({ jobId, verdict }) {
      const standing = await db.settleJob(deps.db, jobId, verdict);
      deps.onEvents?.();
      // A job that is gone was erased by its owner: there is nothing left to complete.
      if (standing === undefined) return { phase: 'cancelled' };
      deps.log.info({ job: jobId, phase: standing.phase, settledNow: standing.settledNow }, 'settled');
      const { phase, attempt, failure } = standing;
      return { phase, ...(attempt === null ? {} : { attempt }), ...(failure === null ? {} : { failure }) };
    },
  };
}
