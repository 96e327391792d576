import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import {
  callbackSignalName,
  cancelSignalName,
  type GenerateVideoInput,
  generateVideoType,
  type HintMail,
  hintSignalName,
  type PermitMail,
  permitSignalName,
  taskQueue,
} from '../contracts/generate-video.ts';
import { findKnownRun } from '../db/ledger/known-attempts.ts';
import type { Mail } from '../db/mailbox/mailbox.ts';
import type { Database } from '../db/pool.ts';
import { isFailureCode } from '../domain/failure.ts';
import { isFinal } from '../domain/job.ts';
import { jobDetails, jobSummary } from '../domain/start-notice.ts';
import { openStory } from '../domain/story.ts';
import { snapshotOf } from '../domain/story-snapshot.ts';
import { stuckOf } from '../domain/stuck.ts';
import { typedSearchAttributes } from './search-attributes.ts';

export interface DeliveryDeps {
  readonly pool: Database;
  /** On the worker's own connection, so that a start may be eager. */
  readonly client: Client;
  readonly eagerStart: boolean;
  /** How long a job may wait before it counts as stuck. */
  readonly stuckAfterMs: number;
}

/** Whether the message has arrived, or is of no use any more. */
export async function deliver(deps: DeliveryDeps, mail: Mail): Promise<boolean> {
  if (mail.kind === 'start') return await start(deps, mail);
  try {
    await signal(deps, mail);
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Closed with its job: nobody has to hear it. Not there though its job is open: it may be on its way, or lost.
    return isFinal(mail.phase);
  }
}

async function start(deps: DeliveryDeps, mail: Mail): Promise<boolean> {
  // Cancelled between grant and start: never bought.
  if (isFinal(mail.phase)) return true;
  const permit = permitOf(mail);
  const run = mail.phase === 'queued' ? undefined : await findKnownRun(deps.pool, mail.job);
  const input: GenerateVideoInput = {
    jobId: mail.job,
    route: mail.route,
    stuckAfterMs: deps.stuckAfterMs,
    ...(permit === undefined ? lineOf(mail) : { permit }),
    ...run,
  };
  try {
    await deps.client.workflow.start(generateVideoType, {
      workflowId: mail.job,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      requestEagerStart: deps.eagerStart,
      ...noticeOf(input, mail),
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return permit === undefined || (await deliver(deps, { ...mail, kind: 'permit' }));
  }
}

/** Since when it waits that is shown without a permit, where, and what the provider says to its line. */
function lineOf({ payload, acceptedAt }: Mail): Pick<GenerateVideoInput, 'waitingSince' | 'refusal' | 'ticketTarget'> {
  const { waitingSince, refusal, target } = payload;
  return {
    waitingSince: typeof waitingSince === 'number' ? waitingSince : acceptedAt,
    ...(isFailureCode(refusal) && { refusal }),
    ...(typeof target === 'number' && { ticketTarget: target }),
  };
}

/** What Temporal UI shows of the job, and finds it by, before its workflow has said anything. */
function noticeOf(input: GenerateVideoInput, { tenant, model, acceptedAt }: Mail) {
  const { jobId, route, permit, known, ticketTarget, stuckAfterMs = Infinity } = input;
  const now = Date.now();
  const stuck = permit === undefined ? stuckOf(snapshotOf(openStory(input, now)), { stuckAfterMs }, now) : undefined;
  const provider = route[permit?.target ?? known?.at(-1)?.target ?? ticketTarget ?? 0]?.provider;
  return {
    staticSummary: jobSummary({ tenant, model, acceptedAt }),
    staticDetails: jobDetails({ jobId, tenant, model, route, acceptedAt }),
    typedSearchAttributes: typedSearchAttributes({
      Tenant: tenant,
      VideoModel: model,
      ...(provider !== undefined && { VideoProvider: provider }),
      ...(stuck !== undefined && { StuckCause: stuck.cause }),
    }),
  };
}

async function signal({ client }: DeliveryDeps, mail: Mail): Promise<void> {
  const handle = client.workflow.getHandle(mail.job);
  switch (mail.kind) {
    case 'permit':
      return await handle.signal(permitSignalName, mail.payload);
    case 'callback':
      return await handle.signal(callbackSignalName, mail.payload);
    case 'repair':
      return await handle.signal(hintSignalName, hintOf(mail));
    case 'cancel':
      return await handle.signal(cancelSignalName);
    case 'start':
      throw new Error('assertion failed: a start is no signal');
  }
}

function hintOf({ attempt, payload: { refusal, target } }: Mail): HintMail {
  const hint = isFailureCode(refusal) || refusal === null ? { attempt, refusal } : { attempt };
  return typeof target === 'number' ? { ...hint, target } : hint;
}

function permitOf({ payload }: Mail): PermitMail | undefined {
  const { attempt, target, grant } = payload;
  const isPermit = typeof attempt === 'number' && typeof target === 'number' && typeof grant === 'string';
  return isPermit ? { attempt, target, grant } : undefined;
}
