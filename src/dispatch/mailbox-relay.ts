import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import {
  callbackSignalName,
  cancelSignalName,
  type GenerateVideoInput,
  generateVideoType,
  hintSignalName,
  type PermitMail,
  permitSignalName,
  taskQueue,
} from '../contracts/generate-video.ts';
import { findKnownAttempts } from '../db/known-attempts.ts';
import { deleteMail, leaseMail, type Mail, postponeMail } from '../db/mailbox.ts';
import { isFinal } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';

export interface RelayDeps {
  readonly pool: pg.Pool;
  /** On the worker's own connection, so that a start may be eager. */
  readonly client: Client;
  readonly eagerStart: boolean;
  readonly concurrencyMax: number;
  readonly log: Logger;
  /** How many messages are on their way: what the dispatcher may start is what is left. */
  readonly onDelivering?: (count: number) => void;
}

/** A gRPC call of ours never hangs; an eager start that is given up early would leave a task that nobody runs. */
const deliveryTimeoutMs = 10_000;
const postponeMs = 2_000;

/** Leases what is due, delivers it, deletes what has arrived. Returns how many messages it took up. */
export async function relayMail(deps: RelayDeps): Promise<number> {
  const mail = await leaseMail(deps.pool, Math.min(deps.concurrencyMax, limits.mailBatchMax));
  if (mail.length === 0) return 0;
  let delivering = mail.length;
  deps.onDelivering?.(delivering);
  const results = await Promise.all(
    mail.map(async (message) => {
      const arrived = await tryToDeliver(deps, message);
      deps.onDelivering?.((delivering -= 1));
      return { message, arrived };
    }),
  );
  const idsOf = (wanted: boolean): string[] =>
    results.flatMap(({ message, arrived }) => (arrived === wanted ? [message.id] : []));
  const [arrived, postponed] = [idsOf(true), idsOf(false)];
  if (arrived.length > 0) await deleteMail(deps.pool, arrived);
  if (postponed.length > 0) await postponeMail(deps.pool, postponed, postponeMs);
  return mail.length;
}

async function tryToDeliver(deps: RelayDeps, mail: Mail): Promise<boolean> {
  if (mail.waitMs > 0) await delay(mail.waitMs);
  try {
    return await deps.client.withDeadline(Date.now() + deliveryTimeoutMs, () => deliver(deps, mail));
  } catch (error) {
    deps.log.warn({ err: error, job: mail.job, kind: mail.kind, tries: mail.tries }, 'delivery to the workflow failed');
    return false;
  }
}

/** Whether the message has arrived, or is of no use any more. */
async function deliver(deps: RelayDeps, mail: Mail): Promise<boolean> {
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

async function start(deps: RelayDeps, mail: Mail): Promise<boolean> {
  // Cancelled between grant and start: never bought.
  if (isFinal(mail.phase)) return true;
  const permit = permitOf(mail);
  const known = mail.phase === 'queued' ? [] : await findKnownAttempts(deps.pool, mail.job);
  const input: GenerateVideoInput = {
    jobId: mail.job,
    route: mail.route,
    ...(permit === undefined ? {} : { permit }),
    ...(known.length === 0 ? {} : { known }),
  };
  try {
    await deps.client.workflow.start(generateVideoType, {
      workflowId: mail.job,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      requestEagerStart: deps.eagerStart,
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return permit === undefined || (await deliver(deps, { ...mail, kind: 'permit' }));
  }
}

async function signal({ client }: RelayDeps, mail: Mail): Promise<void> {
  const handle = client.workflow.getHandle(mail.job);
  switch (mail.kind) {
    case 'permit':
      return await handle.signal(permitSignalName, mail.payload);
    case 'callback':
      return await handle.signal(callbackSignalName, mail.payload);
    case 'repair':
      return await handle.signal(hintSignalName, { attempt: mail.attempt });
    case 'cancel':
      return await handle.signal(cancelSignalName);
    case 'start':
      throw new Error('assertion failed: a start is no signal');
  }
}

function permitOf({ payload }: Mail): PermitMail | undefined {
  const { attempt, target, grant } = payload;
  const isPermit = typeof attempt === 'number' && typeof target === 'number' && typeof grant === 'string';
  return isPermit ? { attempt, target, grant } : undefined;
}
