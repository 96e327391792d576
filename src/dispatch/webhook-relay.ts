import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Logger } from 'pino';
import { type DeliverWebhookInput, deliverWebhookType } from '../contracts/deliver-webhook.ts';
import { taskQueue } from '../contracts/generate-video.ts';
import { claimDeliveries, type LeasedDelivery } from '../db/webhooks/claims.ts';
import { findDeliveryOwner } from '../db/webhooks/owner.ts';
import { keepForRelay } from '../db/webhooks/tries.ts';
import { limits } from '../domain/limits/limits.ts';
import { deliverySummary } from '../domain/start-notice.ts';
import { type MadeTry, type TryDeps, tryDelivery } from '../webhooks/try-delivery.ts';
import { typedSearchAttributes } from './search-attributes.ts';

export interface WebhookRelayDeps extends TryDeps {
  readonly client: Client;
  readonly log: Logger;
  /** How long after it was due a first try began. */
  readonly onFirstTry?: (lateMs: number) => void;
  /** A try has ended, or hangs: there may be room for another one. */
  readonly onFree?: () => void;
  /** Tests make it short. */
  readonly hangMs?: number;
  readonly handsMax?: number;
}

export interface WebhookRelay {
  /** Leases what is due, as far as there are hands, and sends it in the background. `again`: there may be more. */
  takeUp(): Promise<'again' | 'idle'>;
  /** Resolves when nothing is on its way any more. */
  idle(): Promise<void>;
}

const startTimeoutMs = 10_000;

/**
 * Makes the first try of every webhook, and hands what fails to a workflow. A try that hangs costs a socket and nothing
 * else, so after a moment it holds no hand any more: receivers that are slow keep nobody waiting who is not.
 */
export function createWebhookRelay(deps: WebhookRelayDeps): WebhookRelay {
  const { handsMax = limits.webhookHandsMax, hangMs = limits.webhookHangMs } = deps;
  const underWay = new Set<Promise<unknown>>();
  const handing = new Set<Promise<unknown>>();
  const starts = createLine(limits.webhookStartsAtOnceMax);
  let hanging = 0;
  let after = '';
  let leasedInRound = 0;

  const freeHands = (): number => (hanging >= limits.webhookHangingMax ? 0 : handsMax - (underWay.size - hanging));
  /** So many hang that each gets one socket, not four: the others are for those who are well. */
  const most = (): number => (hanging >= limits.webhookHangingMax / 2 ? 1 : limits.webhooksOfReceiverMax);
  const follow = (work: Promise<unknown>, ways: Set<Promise<unknown>>): void => {
    const way = work.finally(() => ways.delete(way));
    ways.add(way);
  };
  const carry = async (delivery: LeasedDelivery): Promise<void> => {
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      hanging += 1;
      deps.onFree?.();
    }, hangMs);
    try {
      const made = await tryDelivery(deps, delivery);
      // Beside it: whoever waits for Temporal keeps no webhook waiting.
      if (made.state === 'retrying') follow(starts(() => handOver(deps, made)).catch(warn(deps, delivery)), handing);
    } catch (error) {
      // Not noted: its lease runs out, and it is sent again.
      warn(deps, delivery)(error);
    } finally {
      clearTimeout(timer);
      if (hangs) hanging -= 1;
    }
  };
  return {
    async takeUp() {
      const hands = freeHands();
      if (hands <= 0) return 'idle';
      const { leased, next } = await claimDeliveries(deps.db, { count: hands, after, most: most() });
      // The next one begins where this one had to end, so that every receiver has its turn.
      after = next ?? '';
      leasedInRound += leased.length;
      for (const delivery of leased) {
        if (delivery.tries === 0) deps.onFirstTry?.(delivery.lateMs);
        follow(
          carry(delivery).finally(() => deps.onFree?.()),
          underWay,
        );
      }
      if (next !== null) return 'again';
      const found = leasedInRound;
      leasedInRound = 0;
      return found > 0 ? 'again' : 'idle';
    },
    async idle() {
      while (underWay.size + handing.size > 0) await Promise.all([...underWay, ...handing]);
    },
  };
}

function warn({ log }: WebhookRelayDeps, { id }: LeasedDelivery): (error: unknown) => void {
  return (error) => log.warn({ err: error, delivery: id }, 'webhook could not be sent, noted or handed over');
}

/** The retries are a workflow's. While Temporal is away the relay goes on by itself. */
async function handOver({ client, db, log }: WebhookRelayDeps, { id, waitMs, tries }: MadeTry): Promise<void> {
  try {
    const { tenant = '', jobId = null } = (await findDeliveryOwner(db, id)) ?? {};
    const input: DeliverWebhookInput = {
      deliveryId: id,
      delayMs: Math.round(waitMs),
      tries: tries + 1,
      ...(jobId !== null && { jobId }),
    };
    await client.withDeadline(Date.now() + startTimeoutMs, () =>
      client.workflow.start(deliverWebhookType, {
        workflowId: id,
        taskQueue,
        args: [input],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: deliverySummary({ deliveryId: id, jobId, tenant }),
        typedSearchAttributes: typedSearchAttributes({ Tenant: tenant, StuckCause: 'webhook_failing' }),
      }),
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    log.warn({ err: error, delivery: id }, 'no workflow could be started for a webhook');
    await keepForRelay(db, id);
  }
}

/** Lets so many in at once; the others stand in line. */
function createLine(placesMax: number): (work: () => Promise<void>) => Promise<void> {
  const line: (() => void)[] = [];
  let taken = 0;
  return async (work) => {
    if (taken < placesMax) taken += 1;
    else await new Promise<void>((resolve) => line.push(resolve));
    try {
      await work();
    } finally {
      const next = line.shift();
      if (next) next();
      else taken -= 1;
    }
  };
}
