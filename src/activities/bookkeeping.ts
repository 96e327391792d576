import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../contracts/activities.ts';
import * as repairs from '../db/control/repairs.ts';
import * as db from '../db/ledger/settle.ts';
import { limits } from '../domain/limits/limits.ts';
import type { ActivityDeps } from './deps.ts';

/** The quick writes: the place of a further attempt, what an operator does, and the end. */
export function createBookkeeping(
  deps: Pick<ActivityDeps, 'db' | 'log' | 'onQueued' | 'onEvents'>,
): Pick<Activities, 'queueAttempt' | 'moveTicket' | 'noteRepair' | 'settleJob'> {
  return {
    async queueAttempt(order) {
      const answer = await db.queueAttempt(deps.db, order);
      deps.onQueued();
      deps.onEvents?.();
      return answer;
    },

    async moveTicket({ jobId, ticket }) {
      const answer = await repairs.moveTicket(deps.db, jobId, ticket.target);
      deps.onQueued();
      deps.onEvents?.();
      return answer;
    },

    async noteRepair(order) {
      const { jobId, request, run, repair, by, reason, seconds = 0, force = false, target, copies = [] } = order;
      const note = {
        jobId,
        request,
        run,
        repair,
        actor: by,
        reason,
        detail: { ...(target !== undefined && { target }), ...(seconds > 0 && { seconds }), ...(force && { force }) },
        extensionMs: seconds * 1_000,
        spanMsMax: limits.extendSecondsMax * 1_000,
        isForced: force,
        target,
        copies,
        attemptsMax: limits.attemptsOfJobMax,
      };
      const noted = await repairs.noteRepair(deps.db, note).catch(refuseBadRow);
      deps.onEvents?.();
      deps.log.info({ job: jobId, repair, verdict: noted.verdict }, 'repaired by an operator');
      return noted;
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

/** What Postgres can't store it never can: the repair fails then, and its workflow does not wait for it until the end of time. */
function refuseBadRow(error: unknown): never {
  if (error instanceof Error && 'severity' in error && 'code' in error && /^(22|54)/.test(String(error.code)))
    throw ApplicationFailure.nonRetryable(
      'Postgres refuses to note the repair. Repeat it under another id.',
      'NotNoted',
    );
  throw error;
}
