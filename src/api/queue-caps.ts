import { countQueued, findQueueCaps, type QueueCaps, type QueuedQuery } from '../db/queue-caps.ts';
import type { Database } from '../db/pool.ts';
import { limits } from '../domain/limits.ts';
import { within } from './database-wait.ts';
import { Problem } from './problem.ts';

/** Keeps a tenant, or one of its users, from filling the line. */
export interface QueueGate {
  /** Throws when as many jobs wait as may. Counts the one that comes. */
  check(caller: { readonly tenant: string; readonly caller: string }): Promise<void>;
}

/** As many may wait as there are. */
export const noQueueCaps: QueueCaps = { queuedMax: null, queuedPerUserMax: null };

interface Known<Value> {
  value: Value;
  readonly readAt: number;
}

const capsFreshMs = 5_000;
const countFreshMs = 500;
const readMsMax = 400;

/**
 * The counts are of a moment ago, and of what this process has let in since: several processes may together let in a few
 * more than the cap. Without a cap nobody counts. A database that does not answer is for the accept to find out.
 */
export function createQueueGate(pool: Database, clock: () => number, defaults: QueueCaps): QueueGate {
  const caps = new Map<string, Known<QueueCaps>>();
  const counts = new Map<string, Known<number>>();

  return {
    async check({ tenant, caller }) {
      const { queuedMax, queuedPerUserMax } = await capsOf(tenant);
      const checks = [
        { max: queuedMax, query: { tenant, caller: null }, whose: 'of yours' },
        { max: queuedPerUserMax, query: { tenant, caller }, whose: 'of this user' },
      ];
      const kept = [];
      for (const { max, query, whose } of checks) {
        if (max === null) continue;
        const count = await countOf(query);
        if (count.value >= max) throw queueFull(max, whose);
        kept.push(count);
      }
      for (const count of kept) count.value += 1;
    },
  };

  async function capsOf(tenant: string): Promise<QueueCaps> {
    const own = await fresh(caps, { key: tenant, freshMs: capsFreshMs, read: () => ownCaps(tenant) });
    return own?.value ?? defaults;
  }

  async function ownCaps(tenant: string): Promise<QueueCaps> {
    const own = await findQueueCaps(pool, tenant);
    return {
      queuedMax: own?.queuedMax ?? defaults.queuedMax,
      queuedPerUserMax: own?.queuedPerUserMax ?? defaults.queuedPerUserMax,
    };
  }

  async function countOf(query: QueuedQuery): Promise<Known<number>> {
    const key = JSON.stringify([query.tenant, query.caller]);
    const known = await fresh(counts, { key, freshMs: countFreshMs, read: () => countQueued(pool, query) });
    return known ?? { value: 0, readAt: 0 };
  }

  interface Reading<Value> {
    readonly key: string;
    readonly freshMs: number;
    readonly read: () => Promise<Value>;
  }

  /** What is known of a key, read anew when it is old. Undefined: the database did not say, and never has. */
  async function fresh<Value>(
    known: Map<string, Known<Value>>,
    { key, freshMs, read }: Reading<Value>,
  ): Promise<Known<Value> | undefined> {
    const before = known.get(key);
    const now = clock();
    if (before !== undefined && now - before.readAt < freshMs) return before;
    const value = await within(read(), readMsMax).catch(() => undefined);
    if (value === undefined) return before;
    if (known.size >= limits.queueCountsMax) known.clear();
    const latest = { value, readAt: now };
    known.set(key, latest);
    return latest;
  }
}

function queueFull(max: number, whose: string): Problem {
  const detail = `${max} jobs ${whose} wait already, which is as many as may. Send it again when some of them have begun.`;
  return new Problem('queue_full', { detail, headers: { 'retry-after': '30' } });
}
