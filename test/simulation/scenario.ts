import type { RouteTarget } from '../../src/domain/route.ts';
import { createRandom, type Random, type Range } from '../../src/simulation/random.ts';
import type { PoolLimits } from './model-tables.ts';
import type { AcceptedJob } from './records.ts';

/** Everything that is to happen in a run beside what follows from it. The same seed, the same scenario. */
export interface Scenario {
  readonly seed: number;
  readonly pools: readonly PoolLimits[];
  readonly targets: readonly RouteTarget[];
  readonly arrivals: readonly { readonly at: number; readonly job: AcceptedJob }[];
  readonly cancels: readonly OnJob[];
  readonly resets: readonly OnJob[];
  /** Workflows that Temporal loses, as with its database. */
  readonly losses: readonly OnJob[];
  readonly outages: readonly { readonly from: number; readonly until: number }[];
  /** Of the database's clock. */
  readonly jumps: readonly { readonly at: number; readonly byMs: number }[];
  /** The chance that a worker dies at a named point, each time that one is passed. */
  readonly killShare: number;
  /** Of calls to Temporal that arrive though their caller hears of a failure. */
  readonly lostAnswerShare: number;
  readonly faults: VendorFaults;
  readonly pace: Pace;
}

export interface OnJob {
  readonly at: number;
  readonly job: string;
}

/** Shares of what goes wrong at the vendors. */
export interface VendorFaults {
  readonly refused: number;
  readonly invalid: number;
  readonly unreachable: number;
  /** No answer to a POST: nothing was created, or it was. */
  readonly lostBefore: number;
  readonly lostAfter: number;
  readonly failed: number;
  readonly stuck: number;
  readonly slow: number;
  readonly queued: number;
  readonly callbackDropped: number;
  readonly callbackDelayed: number;
  readonly callbackDoubled: number;
  readonly callbackUnproven: number;
  readonly checkUnreachable: number;
  readonly copyFailed: number;
}

/** How often the loops of dispatch look by themselves, and how soon when they are woken. */
export interface Pace {
  readonly wakeMs: Range;
  readonly grantEveryMs: number;
  readonly sweepEveryMs: number;
  readonly reconcileEveryMs: number;
}

const paces: Readonly<Record<'model' | 'postgres', Pace>> = {
  model: { wakeMs: [5, 110], grantEveryMs: 2_000, sweepEveryMs: 10_000, reconcileEveryMs: 60_000 },
  postgres: { wakeMs: [100, 2_000], grantEveryMs: 30_000, sweepEveryMs: 60_000, reconcileEveryMs: 90_000 },
};

export function createScenario(seed: number, pace: keyof typeof paces = 'model'): Scenario {
  const random = createRandom(seed);
  const size = sizeOf(seed, random, pace);
  const pools = poolsOf(random, size);
  const targets = pools.flatMap((pool) => pool.targets.map(({ name }) => targetOf(random, pool.id, name)));
  const arrivals = arrivalsOf(random, targets, size);
  const some = (share: number, within: Range): readonly OnJob[] =>
    arrivals.flatMap(({ at, job }) => (random.chance(share) ? [{ at: at + random.between(within), job: job.id }] : []));
  const isCalm = random.chance(0.3);
  const rare = (share: number): number => (isCalm || random.chance(0.5) ? 0 : share);
  return {
    seed,
    pools,
    targets,
    arrivals,
    pace: paces[pace],
    cancels: some(rare(0.15), [0, 90_000]),
    resets: some(rare(0.1), [1_000, 90_000]),
    losses: some(rare(0.05), [1_000, 60_000]),
    outages: outagesOf(random, rare(0.5)),
    jumps: jumpsOf(random, rare(0.3)),
    killShare: rare(0.03),
    lostAnswerShare: rare(0.05),
    faults: faultsOf(rare),
  };
}

interface Size {
  readonly jobs: number;
  readonly slots: Range;
}

function sizeOf(seed: number, random: Random, pace: keyof typeof paces): Size {
  if (pace === 'postgres') return { jobs: random.count([2, 8]), slots: [1, 4] };
  if (seed % 1_000 === 7) return { jobs: random.count([500, 700]), slots: [10, 30] };
  if (seed % 200 === 3) return { jobs: random.count([60, 120]), slots: [3, 12] };
  return { jobs: random.count(random.chance(0.85) ? [2, 10] : [11, 40]), slots: [1, 6] };
}

function poolsOf(random: Random, { slots }: Size): readonly PoolLimits[] {
  return Array.from({ length: random.count([1, 2]) }, (_, index) => ({
    id: `pool-${index}`,
    outstandingMax: random.count(slots),
    perMinuteMax: random.pick([30, 60, 120, 600, 600, 6_000]),
    targets: Array.from({ length: random.count([1, 2]) }, (_, target) => ({
      name: `vendor-${index}/model-${target}`,
      outstandingMax: random.chance(0.2) ? random.count([1, 3]) : null,
      perMinuteMax: random.chance(0.2) ? random.pick([20, 60, 300]) : null,
    })),
  }));
}

function targetOf(random: Random, pool: string, name: string): RouteTarget {
  const typicalMs = Math.round(random.between([1_000, 15_000]));
  return {
    name,
    pool,
    provider: pool,
    vendorModel: name,
    typicalMs,
    priceUsdMicros: 500_000,
    longestMs: typicalMs * random.count([4, 10]),
    patienceMs: Math.round(typicalMs * random.between([1.2, 4])),
    unknownGraceMs: random.count([5, 60]) * 1_000,
    unknownPolicy: random.pick(['fail', 'fail', 'resubmit', 'wait']),
    callbacks: random.chance(0.8),
    stoppable: random.chance(0.4),
  };
}

function arrivalsOf(random: Random, targets: readonly RouteTarget[], { jobs }: Size): Scenario['arrivals'] {
  const spreadMs = random.pick([0, 0, 10_000, 120_000]);
  const tenants = random.count([1, 4]);
  const callers = random.count([1, 3]);
  const arrivals = Array.from({ length: jobs }, (_, ordinal) => ({
    at: Math.round(random.between([0, spreadMs])),
    job: {
      id: jobId(ordinal),
      tenant: `tenant-${random.count([1, tenants])}`,
      caller: `user-${random.count([1, callers])}`,
      class: random.count([0, 2]),
      route: routeOf(random, targets),
      queueTtlSeconds: random.chance(0.1) ? random.count([10, 90]) : 3_600,
    },
  }));
  return arrivals.toSorted((one, other) => one.at - other.at);
}

function routeOf(random: Random, targets: readonly RouteTarget[]): readonly RouteTarget[] {
  const order = targets.map((target) => ({ target, at: random.next() })).toSorted((one, other) => one.at - other.at);
  return order.slice(0, random.count([1, 3])).map(({ target }) => target);
}

function jobId(ordinal: number): string {
  return `video_00000000-0000-7000-8000-${String(ordinal).padStart(12, '0')}`;
}

function outagesOf(random: Random, share: number): Scenario['outages'] {
  if (!random.chance(share)) return [];
  const from = random.between([0, 60_000]);
  return [{ from, until: from + random.between([1_000, 90_000]) }];
}

function jumpsOf(random: Random, share: number): Scenario['jumps'] {
  if (!random.chance(share)) return [];
  return [{ at: Math.round(random.between([0, 60_000])), byMs: Math.round(random.between([-120_000, 60_000])) }];
}

function faultsOf(rare: (share: number) => number): VendorFaults {
  return {
    refused: rare(0.1),
    invalid: rare(0.03),
    unreachable: rare(0.05),
    lostBefore: rare(0.05),
    lostAfter: rare(0.05),
    failed: rare(0.1),
    stuck: rare(0.05),
    slow: rare(0.2),
    queued: rare(0.2),
    callbackDropped: rare(0.3),
    callbackDelayed: rare(0.3),
    callbackDoubled: rare(0.3),
    callbackUnproven: rare(0.1),
    checkUnreachable: rare(0.2),
    copyFailed: rare(0.05),
  };
}
