import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { deleteMail, leaseMail, type Mail, postponeMail } from '../db/mailbox/mailbox.ts';
import { limits } from '../domain/limits/limits.ts';
import { deliver, type DeliveryDeps } from './deliver.ts';

export interface RelayDeps extends DeliveryDeps {
  /** Messages that may be on their way at once. */
  readonly handsMax: number;
  readonly log: Logger;
  /** All hands were full, and some have become free: there may be more to take up. */
  readonly onFree?: () => void;
}

export interface Relay {
  /** Leases what is due, as far as there are free hands; it is delivered in the background. Returns how many. */
  takeUp(): Promise<number>;
  freeHands(): number;
  /** Resolves when nothing is on its way any more, and all that has arrived is noted. */
  idle(): Promise<void>;
}

/** A gRPC call of ours never hangs; an eager start that is given up early would leave a task that nobody runs. */
const deliveryTimeoutMs = 10_000;
const postponeMs = 2_000;
/** Milliseconds in which arrivals gather, so that one statement notes them all. */
const noteEveryMs = 10;
const noteAgainMs = 1_000;

/**
 * Takes mail from Postgres to workflows. Each message goes its own way, so that one that waits for its moment, or for a
 * slow server, holds nobody up. What is not noted as arrived is delivered again when its lease runs out.
 */
export function createRelay(deps: RelayDeps): Relay {
  const underWay = new Set<Promise<void>>();
  const ended: { readonly id: string; readonly arrived: boolean }[] = [];
  let noting: Promise<void> | undefined;
  let wasFull = false;

  const freeHands = (): number => Math.max(0, deps.handsMax - underWay.size);
  const note = async (): Promise<void> => {
    await delay(noteEveryMs);
    noting = undefined;
    await noteEnds(deps, ended.splice(0));
    if (wasFull) deps.onFree?.();
  };
  const carry = async (mail: Mail): Promise<void> => {
    const arrived = await tryToDeliver(deps, mail);
    ended.push({ id: mail.id, arrived });
    noting ??= note();
    await noting;
  };
  return {
    freeHands,
    async takeUp() {
      const hands = freeHands();
      const mail = hands === 0 ? [] : await leaseMail(deps.pool, hands);
      wasFull = mail.length === hands;
      for (const message of mail) {
        const way = carry(message).finally(() => underWay.delete(way));
        underWay.add(way);
      }
      return mail.length;
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

/** Tries as long as the leases last: while Postgres restarts, what has arrived is not to wait for them to run out. */
async function noteEnds(deps: RelayDeps, ends: readonly { id: string; arrived: boolean }[]): Promise<void> {
  const idsOf = (wanted: boolean): string[] => ends.flatMap(({ id, arrived }) => (arrived === wanted ? [id] : []));
  const [arrived, postponed] = [idsOf(true), idsOf(false)];
  for (let tries = 1; tries <= limits.mailLeaseSeconds; tries += 1) {
    try {
      if (arrived.length > 0) await deleteMail(deps.pool, arrived);
      if (postponed.length > 0) await postponeMail(deps.pool, postponed, postponeMs);
      return;
    } catch (error) {
      deps.log.warn({ err: error, count: ends.length, tries }, 'deliveries could not be noted');
      await delay(noteAgainMs);
    }
  }
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
