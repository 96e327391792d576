import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { RepairAnswer } from '../contracts/repairs.ts';
import { isRequestReused } from '../db/control/operator-actions.ts';
import { showJob } from '../db/stuck/show-job.ts';
import type { Database } from '../db/pool.ts';
import type { JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';
import type { Repair, RepairResult } from './repair.ts';
import { beginOfUpdateId, updateIdOf } from './update-id.ts';

export interface RepairDeps {
  readonly db: Database;
  /** May connect when it is asked for the first time. */
  readonly temporal: () => Promise<Client>;
  /** Called after a commit that wrote mail for a workflow. */
  readonly notifyMail?: () => void;
}

export interface RepairOrder {
  readonly jobId: JobId;
  readonly repair: Repair;
  /**
   * Whoever asks again under the same id gets the same answer, and nothing is done twice. Whoever asks for something else by the
   * same name, once that was written down, is told so.
   */
  readonly request: string;
  /** By when there has to be a result, in milliseconds since the epoch. Absent: as long as one repair may take. */
  readonly deadline?: number;
}

/**
 * Repairs one job by an update of its workflow, the same as from Temporal UI. One that waits in Postgres alone has its workflow
 * started first, without a permit. The workflow refuses or does it, and writes down who asked for it.
 */
export async function repairJob(deps: RepairDeps, order: RepairOrder): Promise<RepairResult> {
  const { jobId } = order;
  const own = { request: `${jobId}:${updateIdOf(order)}`, begin: `${jobId}:${beginOfUpdateId(order)}` };
  if (await isRequestReused(deps.db, { subject: jobId, ...own })) return reused(jobId);
  const shown = await showJob(deps.db, jobId);
  if (shown === 'not_found') return { kind: 'not_found', reason: `There is no job ${jobId}.` };
  if (shown === 'final') return final(jobId);
  if (shown === 'started') deps.notifyMail?.();
  const spanMsMax = limits.repairStartMsMax + limits.repairAnswerMsMax;
  const deadline = Math.min(Date.now() + spanMsMax, order.deadline ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const result = await tryOnce(deps, { ...order, deadline });
    if (result !== undefined) return result;
    // Its workflow is not there: it is being started, or the job has ended meanwhile.
    if ((await showJob(deps.db, jobId)) === 'final') return final(jobId);
    if (Date.now() + limits.repairAnswerMsMax >= deadline) return notStarted(jobId);
    await delay(limits.repairRetryMs);
  }
}

function reused(jobId: JobId): RepairResult {
  const reason = `Something else was asked of ${jobId} under this id before, and nothing was done now. Repeat it as it was, or take a new id.`;
  return { kind: 'reused', reason };
}

function final(jobId: JobId): RepairResult {
  return { kind: 'final', reason: `The job ${jobId} has ended: there is nothing left to repair.` };
}

function notStarted(jobId: JobId): RepairResult {
  const reason =
    `The job ${jobId} has no workflow yet. Check that a worker runs and reaches Temporal: it starts the workflow, or, where ` +
    'that was lost, starts it anew within two reconcile periods. Then repeat the repair.';
  return { kind: 'away', reason };
}

/** Undefined: there is no workflow that could be asked. */
async function tryOnce(
  { temporal }: RepairDeps,
  asked: RepairOrder & { readonly deadline: number },
): Promise<RepairResult | undefined> {
  const { jobId, repair, deadline } = asked;
  const client = await temporal().catch(() => undefined);
  if (client === undefined) return away;
  try {
    const { name, order } = repair;
    const handle = client.workflow.getHandle(jobId);
    const updateId = updateIdOf(asked);
    const answerBy = Math.min(Date.now() + limits.repairAnswerMsMax, deadline);
    const answer = await client.withDeadline(answerBy, () =>
      handle.executeUpdate<RepairAnswer, [typeof order]>(name, { args: [order], updateId }),
    );
    return { kind: 'done', answer };
  } catch (error) {
    return resultOf(error, jobId);
  }
}

function resultOf(error: unknown, jobId: JobId): RepairResult | undefined {
  if (error instanceof WorkflowNotFoundError) return undefined;
  if (error instanceof WorkflowUpdateFailedError)
    return { kind: 'refused', reason: error.cause?.message ?? 'The workflow refused, and did not say why.' };
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return silent(jobId);
  // The client wraps what the connection says, and tries again by itself: also where the last of these was not sent, an earlier
  // one may have been.
  const said = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  if (isGrpcServiceError(said)) return unheard(jobId, said.message);
  throw error;
}

function silent(jobId: JobId): RepairResult {
  const reason =
    `The workflow of ${jobId} has not answered in time, and may yet do it. Check that a worker runs, then repeat the repair ` +
    'under the same id.';
  return { kind: 'silent', reason };
}

/** @param said begins with gRPC's number and word for it */
function unheard(jobId: JobId, said: string): RepairResult {
  const code = /^\d+ [A-Z_]+/.exec(said)?.[0] ?? 'an error of gRPC';
  const reason =
    `Temporal's answer about ${jobId} was ${code}, and it may have been done. Check that Temporal runs and lets you in, then ` +
    'repeat the repair under the same id.';
  return { kind: 'silent', reason };
}

const away: RepairResult = {
  kind: 'away',
  reason:
    'Temporal could not be reached, and nothing was done. Check TEMPORAL_ADDRESS and that it runs, then repeat the repair.',
};
