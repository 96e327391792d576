import { countOutstanding } from '../../db/scheduler/outstanding.ts';
import { countQueued, type QueueCaps, type QueuedQuery } from '../../db/scheduler/queue-caps.ts';
import type { Database } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Caller } from '../auth/caller.ts';
import { createJobCounts, type JobCount } from './job-counts.ts';
import { Problem } from '../problems/problem.ts';

/** How many jobs a tenant may have: in line, in line of one of its users, and not final. Null: as many as there are. */
export interface JobCaps extends QueueCaps {
  readonly outstandingMax: number | null;
}

/** As many as there are. */
export const noJobCaps: JobCaps = { queuedMax: null, queuedPerUserMax: null, outstandingMax: null };

export interface Newcomer {
  readonly caller: Caller;
  /** The tenant's end user; empty: none was named. */
  readonly user: string;
}

/** Keeps a tenant, or one of its users, from filling the line. */
export interface QueueGate {
  /** Throws when there are as many jobs as may. Counts the one that comes, and says what is left after it. */
  check(newcomer: Newcomer): Promise<CountedPlace>;
  /** How many jobs of a user wait, if that is known already. */
  peekWaiting(newcomer: Newcomer): number | undefined;
}

/** A place in line that a newcomer was counted for. */
export interface CountedPlace {
  readonly standings: readonly CapStanding[];
  /** No job came of it. */
  giveBack(): void;
}

/** A cap that holds for the one who came. */
export interface CapStanding {
  readonly policy: 'queued' | 'queued-per-user' | 'outstanding';
  readonly max: number;
  readonly remaining: number;
}

interface Check {
  readonly policy: CapStanding['policy'];
  readonly max: number | null;
  readonly count: (max: number) => Promise<JobCount | undefined>;
  readonly refuse: (max: number) => Problem;
}

/**
 * The counts are of a moment ago, and of what this process has let in since: several processes may together let in a few
 * more than the cap. Without a cap nobody counts. A database that does not answer is for the accept to find out.
 */
export function createQueueGate(pool: Database, clock: () => number, defaults: JobCaps): QueueGate {
  const counts = createJobCounts(clock);

  return {
    async check(newcomer) {
      const kept: (CapStanding & { readonly count: JobCount })[] = [];
      for (const { policy, max, count, refuse } of checksOf(newcomer)) {
        if (max === null) continue;
        const known = (await count(max)) ?? { value: 0 };
        if (known.value >= max) throw refuse(max);
        kept.push({ policy, max, remaining: max - known.value - 1, count: known });
      }
      for (const { count } of kept) count.value += 1;
      return {
        standings: kept,
        giveBack() {
          for (const { count } of kept) count.value = Math.max(count.value - 1, 0);
        },
      };
    },
    peekWaiting({ caller: { tenant }, user }) {
      return counts.peek(...queued({ tenant, caller: user }))?.value;
    },
  };

  function checksOf({ caller: { tenant, limits: own }, user }: Newcomer): readonly Check[] {
    return [
      {
        policy: 'queued',
        max: own.queuedMax ?? defaults.queuedMax,
        count: () => counts.read(...queued({ tenant, caller: null })),
        refuse: (max) => queueFull(max, 'of yours'),
      },
      {
        policy: 'queued-per-user',
        max: own.queuedPerUserMax ?? defaults.queuedPerUserMax,
        count: () => counts.read(...queued({ tenant, caller: user })),
        refuse: (max) => queueFull(max, 'of this user'),
      },
      {
        policy: 'outstanding',
        max: own.outstandingMax ?? defaults.outstandingMax,
        count: (max) => counts.read(...outstanding({ tenant, max: Math.min(max, limits.outstandingCountedMax) })),
        refuse: outstandingReached,
      },
    ];
  }

  function queued(query: QueuedQuery): [string, () => Promise<number>] {
    return [JSON.stringify([query.tenant, query.caller]), () => countQueued(pool, query)];
  }

  function outstanding(query: { readonly tenant: string; readonly max: number }): [string, () => Promise<number>] {
    return [JSON.stringify(query), () => countOutstanding(pool, query)];
  }
}

function queueFull(max: number, whose: string): Problem {
  const detail = `${max} jobs ${whose} wait already, which is as many as may. Send it again when some of them have begun.`;
  return new Problem('queue_full', { detail, headers: { 'retry-after': '30' } });
}

function outstandingReached(max: number): Problem {
  const detail = `${max} of your jobs are waiting or under way, which is as many as may (outstanding). Send it again when some of them have ended.`;
  return new Problem('quota_exceeded', { detail, headers: { 'retry-after': '30' }, isLasting: true });
}
