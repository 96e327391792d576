import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Flow } from '../../src/domain/fair-order.ts';
import {
  chooseGrants,
  hasRoom,
  type PoolSnapshot,
  roomOf,
  type TargetState,
  type WaitingOverlap,
  type WaitingTicket,
  waitReasons,
  type WaitReason,
} from '../../src/domain/grants.ts';
import { limits } from '../../src/domain/limits/limits.ts';

const now = 5_000_000;

function ticket(id: string, changes: Partial<WaitingTicket> = {}): WaitingTicket {
  return { id, priceUsdMicros: 1_000, ...changes };
}

const line = (count: number, changes: Partial<WaitingTicket> = {}): WaitingTicket[] =>
  Array.from({ length: count }, (_, index) => ticket(`t${index}`, changes));

function flow(heads: readonly WaitingTicket[], changes: Partial<Flow<WaitingTicket>> = {}): Flow<WaitingTicket> {
  return {
    class: 1,
    tenant: 'default',
    caller: '',
    target: 'model',
    weight: 1,
    tag: 0,
    tenantTag: 1,
    heads,
    hasMore: false,
    ...changes,
  };
}

const overlapping: WaitingOverlap = { ...ticket('overlap'), target: 'model', isWaived: false };

function targetState(changes: Partial<TargetState> = {}): TargetState {
  return {
    name: 'model',
    outstandingMax: null,
    outstanding: 0,
    perMinuteMax: null,
    nextStartAt: 0,
    admits: null,
    probing: 0,
    ...changes,
  };
}

function snapshot(changes: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    now,
    outstandingMax: 1_000,
    outstanding: 0,
    perMinuteMax: 60_000,
    nextStartAt: 0,
    pausedUntil: 0,
    submitting: 0,
    submittingMax: 1_000,
    undelivered: 0,
    startSlots: 1_000,
    overlapTokens: 0,
    overlapAt: now,
    budgetUsdMicros: null,
    targets: [targetState()],
    lanes: [{ class: 1, virtualTime: 0, tag: 0 }],
    flows: [flow([ticket('t0')])],
    overlaps: [],
    ...changes,
  };
}

const reasonsOf = (changes: Partial<PoolSnapshot>) =>
  chooseGrants(snapshot(changes)).passedOver.map(({ reason }) => reason);
const grantedOf = (changes: Partial<PoolSnapshot>) => chooseGrants(snapshot(changes)).granted.map(({ id }) => id);

/** What makes a lone ticket wait, most pressing first. */
const obstacles: readonly {
  readonly reason: WaitReason;
  readonly pool?: Partial<PoolSnapshot>;
  readonly target?: Partial<TargetState>;
  readonly isOverlap?: true;
}[] = [
  { reason: 'operator', target: { isHeld: true } },
  { reason: 'budget', pool: { budgetUsdMicros: 999 } },
  { reason: 'breaker', target: { admits: 2, probing: 2 } },
  { reason: 'capacity', pool: { outstandingMax: 5, outstanding: 5 } },
  { reason: 'target_capacity', target: { outstandingMax: 3, outstanding: 3 } },
  { reason: 'paused', pool: { pausedUntil: now + 1 } },
  { reason: 'rate', pool: { nextStartAt: now + limits.grantHorizonMs + 1 } },
  { reason: 'target_rate', target: { perMinuteMax: 60, nextStartAt: now + limits.grantHorizonMs + 1 } },
  { reason: 'submitting', pool: { submitting: 7, submittingMax: 7 } },
  { reason: 'undelivered', pool: { perMinuteMax: 120, undelivered: 3 } },
  { reason: 'workers', pool: { startSlots: 0 } },
  { reason: 'failover_budget', pool: { overlapTokens: 0.99 }, isOverlap: true },
];

/** Why a lone ticket waits that all of these stand before. */
function reasonsBehind(standing: typeof obstacles): readonly WaitReason[] {
  const pool: Partial<PoolSnapshot> = Object.assign({}, ...standing.map((obstacle) => obstacle.pool ?? {}));
  const target = targetState(Object.assign({}, ...standing.map((obstacle) => obstacle.target ?? {})));
  const isOverlap = standing.some((obstacle) => obstacle.isOverlap);
  const who = isOverlap ? { flows: [], overlaps: [overlapping] } : {};
  return reasonsOf({ ...pool, ...who, targets: [target] });
}

describe('a head of the line', () => {
  test('is granted where nothing speaks against it, and starts now', () => {
    const grants = chooseGrants(snapshot());
    expect(grants.granted).toEqual([{ id: 't0', target: 'model', startAt: now }]);
    expect(grants.passedOver).toEqual([]);
  });

  test('has every reason to wait in this table', () => {
    expect(obstacles.map(({ reason }) => reason)).toEqual(waitReasons);
  });

  test.each(obstacles)('waits for $reason', (obstacle) => {
    expect(reasonsBehind([obstacle])).toEqual([obstacle.reason]);
  });

  test.each(obstacles.map(({ reason }, index) => ({ reason, index })))(
    'hears of $reason before all that comes after it',
    ({ reason, index }) => {
      expect(reasonsBehind(obstacles.slice(index))).toEqual([reason]);
    },
  );

  test('that waits for itself alone holds up nobody of another flow', () => {
    const flows = [flow([ticket('dear', { priceUsdMicros: 9_000 })]), flow([ticket('next')], { caller: 'another' })];
    const grants = chooseGrants(snapshot({ budgetUsdMicros: 5_000, flows }));
    expect(grants.granted.map(({ id }) => id)).toEqual(['next']);
    expect(grants.passedOver).toEqual([{ id: 'dear', target: 'model', reason: 'budget' }]);
  });

  test('is the one that is told why, and those behind it are not asked', () => {
    expect(reasonsOf({ outstandingMax: 2, flows: [flow(line(9))] })).toEqual(['capacity']);
  });
});

describe('what an operator holds', () => {
  test('a pool grants nothing and reads no more than a head, whatever room it has', () => {
    const held = snapshot({ isHeld: true, overlaps: [overlapping], overlapTokens: 5 });
    expect(roomOf(held).count).toBe(0);
    expect(chooseGrants(held).granted).toEqual([]);
    expect(reasonsOf({ isHeld: true, outstanding: 1_000, budgetUsdMicros: 0 })).toEqual(['operator']);
  });

  test('a target hides nobody of another, and its classes save up nothing', () => {
    const targets = [targetState({ isHeld: true }), targetState({ name: 'free' })];
    const lanes = [
      { class: 0, virtualTime: 0, tag: 0 },
      { class: 1, virtualTime: 8, tag: 0 },
    ];
    const flows = [flow([ticket('held')], { class: 0 }), flow([ticket('next')], { target: 'free' })];
    expect(roomOf(snapshot({ targets })).targets).toEqual(['free']);
    const grants = chooseGrants(snapshot({ targets, flows, lanes }));
    expect(grants.granted.map(({ id }) => id)).toEqual(['next']);
    expect(grants.passedOver).toEqual([{ id: 'held', target: 'model', reason: 'operator' }]);
    expect(grants.lanes.find((lane) => lane.class === 0)?.virtualTime).toBeGreaterThanOrEqual(8);
  });
});

describe('the budget of a tenant', () => {
  const needOf = (usdMicros: number | null, ...budgets: readonly string[]) => ({ usdMicros, budgets });
  const flows = [flow([ticket('poor')], { tenant: 'poor' }), flow([ticket('rich')], { tenant: 'rich' })];

  test('keeps who needs more than it leaves, and nobody else', () => {
    const tenantBudgets = { needs: new Map([['poor', needOf(500, 'day')]]), leftUsdMicros: new Map([['day', 499]]) };
    const grants = chooseGrants(snapshot({ flows, tenantBudgets }));
    expect(grants.granted.map(({ id }) => id)).toEqual(['rich']);
    expect(grants.passedOver).toEqual([{ id: 'poor', target: 'model', reason: 'budget' }]);
    expect(grants.overTenantBudget).toEqual(['poor']);
  });

  test('that leaves exactly what is needed is enough, and one that is not limited is too', () => {
    const needs = new Map([['poor', needOf(500, 'day', 'month')]]);
    expect(grantedOf({ flows, tenantBudgets: { needs, leftUsdMicros: new Map([['day', 500]]) } })).toEqual([
      'poor',
      'rich',
    ]);
    expect(grantedOf({ flows, tenantBudgets: { needs, leftUsdMicros: new Map() } })).toEqual(['poor', 'rich']);
  });

  test('keeps nobody who stands behind one that is too dear', () => {
    const heads = [...Array.from({ length: 60 }, (_, index) => ticket(`dear${index}`)), ticket('paid'), ticket('more')];
    const needs = new Map([...heads.slice(0, 60), ...heads.slice(61)].map(({ id }) => [id, needOf(500, 'day')]));
    const line = flow(heads, { tenant: 'poor', hasMore: false });
    const budgets = { needs, leftUsdMicros: new Map([['day', 499]]) };
    const grants = chooseGrants(snapshot({ flows: [line], tenantBudgets: budgets }));
    expect(grants.granted.map(({ id }) => id)).toEqual(['paid']);
    expect(grants.overTenantBudget).toHaveLength(61);
    // They wait on, so the flow is not one of which nobody is left; and it is charged for the one alone.
    expect(grants.flows).toMatchObject([{ served: { model: 1 }, emptied: [] }]);
  });

  test('keeps what has no price', () => {
    const needs = new Map([['poor', needOf(null, 'day')]]);
    expect(grantedOf({ flows, tenantBudgets: { needs, leftUsdMicros: new Map([['day', 1e12]]) } })).toEqual(['rich']);
  });

  test('is no reason of its own beside the cap on everything', () => {
    const grants = chooseGrants(snapshot({ budgetUsdMicros: 0 }));
    expect(grants.overTenantBudget).toEqual([]);
  });

  test('is never passed, whoever draws on it and on which others', () => {
    const budgets = ['one', 'two', 'three'];
    const need = fc.record({ usdMicros: fc.nat(400), budgets: fc.subarray(budgets) });
    fc.assert(
      fc.property(
        fc.array(need, { maxLength: 30 }),
        fc.array(fc.nat(2_000), { minLength: 3, maxLength: 3 }),
        (all, left) => {
          const ids = all.map((_, index) => `t${index}`);
          const grants = chooseGrants(
            snapshot({
              flows: ids.map((id) => flow([ticket(id)], { caller: id })),
              tenantBudgets: {
                needs: new Map(all.map((one, index) => [`t${index}`, one])),
                leftUsdMicros: new Map(budgets.map((budget, index) => [budget, left[index] ?? 0])),
              },
            }),
          );
          const granted = new Set(grants.granted.map(({ id }) => id));
          for (const [index, budget] of budgets.entries()) {
            const drawn = all.filter((one, at) => granted.has(`t${at}`) && one.budgets.includes(budget));
            expect(drawn.reduce((sum, { usdMicros }) => sum + usdMicros, 0)).toBeLessThanOrEqual(left[index] ?? 0);
          }
          expect(granted.size + grants.overTenantBudget.length).toBe(all.length);
        },
      ),
    );
  });
});

describe('a target with limits of its own', () => {
  const two = [
    flow(line(5)),
    flow(
      line(5).map(({ id }) => ticket(`other-${id}`)),
      { caller: 'another', target: 'other' },
    ),
  ];
  const grantedBeside = (limited: Partial<TargetState>, pool: Partial<PoolSnapshot> = {}) =>
    grantedOf({ targets: [targetState(limited), targetState({ name: 'other' })], flows: two, ...pool });

  test('takes as many as it has slots, and leaves the rest of the pool to the others', () => {
    expect(grantedBeside({ outstandingMax: 7, outstanding: 5 }, { outstandingMax: 6 })).toEqual([
      't0',
      'other-t0',
      't1',
      'other-t1',
      'other-t2',
      'other-t3',
    ]);
  });

  test('is rated by itself, and by its pool', () => {
    const targets = [targetState({ perMinuteMax: 300 }), targetState({ name: 'other' })];
    const grants = chooseGrants(snapshot({ perMinuteMax: 600, targets, flows: two }));
    const starts = (target: string) =>
      grants.granted.filter((grant) => grant.target === target).map(({ startAt }) => startAt - now);
    expect(starts('model')).toEqual([0, 200, 400]);
    expect(grants.nextStartAt).toBeGreaterThanOrEqual(now + 500);
    expect(grants.targetsNextStartAt).toEqual(new Map([['model', now + 600]]));
    expect(new Set(grants.granted.map(({ startAt }) => startAt)).size).toBe(grants.granted.length);
  });

  test('after a backward jump of the clock begins anew', () => {
    expect(grantedBeside({ perMinuteMax: 60_000, nextStartAt: now + 3_600_000 })).toHaveLength(10);
  });

  test('whose breakers admit a few is granted those, and none where they are under way', () => {
    expect(grantedBeside({ admits: 4, probing: 2 })).toHaveLength(7);
    expect(grantedBeside({ admits: 4, probing: 4 })).toHaveLength(5);
    expect(grantedBeside({ admits: 0 })).toHaveLength(5);
  });

  test('is one that a pass reads one head of, to say why it waits', () => {
    const targets = [targetState({ admits: 0 }), targetState({ name: 'other' })];
    expect(roomOf(snapshot({ targets, outstandingMax: 30, outstanding: 20 }))).toEqual({
      count: 10,
      targets: ['other'],
    });
  });

  test('that is unknown is no obstacle', () => {
    expect(grantedOf({ targets: [] })).toEqual(['t0']);
  });
});

test('a pool that is paused has no room, and goes on at the moment it was told', () => {
  expect(roomOf(snapshot({ pausedUntil: now + 1 })).count).toBe(0);
  expect(roomOf(snapshot({ pausedUntil: now })).count).toBe(limits.grantsOfPassMax);
  expect(grantedOf({ pausedUntil: now })).toEqual(['t0']);
});

describe('a budget', () => {
  test('counts what the same pass has granted', () => {
    const grants = chooseGrants(snapshot({ budgetUsdMicros: 2_500, flows: [flow(line(4))] }));
    expect(grants.granted).toHaveLength(2);
    expect(grants.passedOver).toMatchObject([{ id: 't2', reason: 'budget' }]);
  });

  test('may be used up to the last millionth', () => {
    expect(grantedOf({ budgetUsdMicros: 3_000, flows: [flow(line(3))] })).toHaveLength(3);
  });

  test('is kept from a ticket whose price is unknown; without a cap it may go', () => {
    const flows = [flow([ticket('t0', { priceUsdMicros: null })])];
    expect(reasonsOf({ budgetUsdMicros: 1e12, flows })).toEqual(['budget']);
    expect(grantedOf({ flows })).toEqual(['t0']);
  });

  test('that is overdrawn grants nothing that costs', () => {
    expect(reasonsOf({ budgetUsdMicros: -1 })).toEqual(['budget']);
  });
});

test('one pass grants no more than its bound, its free slots, its workers and its submits', () => {
  const flows = [flow(line(200))];
  const countOf = (changes: Partial<PoolSnapshot>) => grantedOf({ flows, ...changes }).length;
  expect(countOf({})).toBe(limits.grantsOfPassMax);
  expect(countOf({ outstandingMax: 30, outstanding: 10 })).toBe(20);
  expect(countOf({ startSlots: 7 })).toBe(7);
  expect(countOf({ submitting: 995 })).toBe(5);
  expect(countOf({ outstandingMax: 10, outstanding: 12 })).toBe(0);
});

test('after a backward jump of the clock the rate begins anew', () => {
  const grants = chooseGrants(snapshot({ nextStartAt: now + 3_600_000 }));
  expect(grants.granted).toMatchObject([{ id: 't0', startAt: now }]);
});

test('a slow rate is no jump of the clock', () => {
  const first = chooseGrants(snapshot({ perMinuteMax: 1, flows: [flow(line(2))] }));
  expect(first.granted).toHaveLength(1);
  expect(first.nextStartAt).toBe(now + 60_000);
  expect(reasonsOf({ perMinuteMax: 1, nextStartAt: first.nextStartAt, now: now + 1 })).toEqual(['rate']);
});

/** Runs passes at these moments over an endless line and returns every start. */
function startsOf(perMinuteMax: number, gapsMs: readonly number[]): number[] {
  // As many heads as a pass reads.
  const flows = [flow(line(limits.grantsOfPassMax), { hasMore: true })];
  let pool = snapshot({ perMinuteMax, outstandingMax: 1e9, submittingMax: 1e9, startSlots: 1e9, flows });
  const starts: number[] = [];
  for (const gapMs of gapsMs) {
    const { granted, nextStartAt, overlapTokens } = chooseGrants(pool);
    const { now: passAt } = pool;
    const misplaced = granted.filter(({ startAt }) => startAt < passAt || startAt > passAt + limits.grantHorizonMs);
    expect(misplaced).toEqual([]);
    starts.push(...granted.map(({ startAt }) => startAt));
    pool = { ...pool, now: pool.now + gapMs, nextStartAt, overlapTokens };
  }
  return starts;
}

function busiest(starts: readonly number[], windowMs: number): number {
  let from = 0;
  let most = 0;
  starts.forEach((startAt, index) => {
    while ((starts[from] ?? 0) < startAt - windowMs) from += 1;
    most = Math.max(most, index - from + 1);
  });
  return most;
}

test('starts are smooth: at 1200 a minute at most 21 in any second and 201 in any ten', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5_000 })), {
        minLength: 1,
        maxLength: 300,
      }),
      (gapsMs) => {
        const starts = startsOf(1_200, gapsMs);
        expect(busiest(starts, 1_000)).toBeLessThanOrEqual(21);
        expect(busiest(starts, 10_000)).toBeLessThanOrEqual(201);
      },
    ),
  );
});

test('at any rate: no two starts are closer than the interval, and a busy line loses none of the rate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), (perMinuteMax) => {
      const intervalMs = 60_000 / perMinuteMax;
      const starts = startsOf(
        perMinuteMax,
        Array.from({ length: 600 }, () => 100),
      );
      const gaps = starts.slice(1).map((startAt, index) => startAt - (starts[index] ?? 0));
      expect(gaps.filter((gapMs) => gapMs < intervalMs - 0.001)).toEqual([]);
      expect(starts.length).toBeGreaterThanOrEqual(Math.floor(59_900 / intervalMs));
    }),
    { numRuns: 15 },
  );
});

describe('while Temporal is away', () => {
  /** Passes every 100 ms for a minute, of whose mail nothing arrives. */
  function grantedInVain(perMinuteMax: number): number {
    let pool = snapshot({ perMinuteMax, outstandingMax: 1e9, submittingMax: 1e9, flows: [flow(line(100))] });
    const starts: number[] = [];
    for (let pass = 0; pass < 600; pass += 1) {
      const undelivered = starts.filter((at) => at < pool.now - 1_000).length;
      const { granted, nextStartAt } = chooseGrants({ ...pool, undelivered });
      starts.push(...granted.map(({ startAt }) => startAt));
      pool = { ...pool, now: pool.now + 100, nextStartAt };
    }
    return starts.length;
  }

  test.each([60, 600, 1_200, 6_000])('what goes at once afterwards is no more than 2.5 s of %i a minute', (rate) => {
    expect(grantedInVain(rate)).toBeLessThanOrEqual(Math.ceil((rate / 60) * 2.5) + 1);
  });

  test('one late message stops no pool, however slow', () => {
    expect(chooseGrants(snapshot({ perMinuteMax: 1, undelivered: 1 })).granted).toHaveLength(1);
  });
});

const anyTicket = fc.record({ priceUsdMicros: fc.option(fc.integer({ min: 0, max: 5_000 })) });
const anyTarget = fc.constantFrom('model', 'other', 'unknown');

const anyFlows: fc.Arbitrary<readonly Flow<WaitingTicket>[]> = fc
  .array(
    fc.record({
      class: fc.integer({ min: 0, max: 2 }),
      caller: fc.constantFrom('', 'ann', 'bob', 'eve'),
      target: anyTarget,
      weight: fc.constantFrom(0.5, 1, 3),
      tag: fc.integer({ min: 0, max: 9 }),
      hasMore: fc.boolean(),
      heads: fc.array(anyTicket, { maxLength: 12 }),
    }),
    { maxLength: 12 },
  )
  .map((flows) =>
    flows.map(({ heads, ...rest }, index) => {
      const named = heads.map((head, place) => ({ id: `t${index}.${place}`, ...head }));
      return flow(named, { tenant: `tenant${index}`, ...rest });
    }),
  );

const anySnapshot: fc.Arbitrary<PoolSnapshot> = fc.record({
  now: fc.constant(now),
  outstandingMax: fc.integer({ min: 0, max: 60 }),
  outstanding: fc.integer({ min: 0, max: 80 }),
  perMinuteMax: fc.integer({ min: 1, max: 60_000 }),
  nextStartAt: fc.integer({ min: now - 10_000, max: now + 100_000 }),
  pausedUntil: fc.constantFrom(0, 0, 0, now, now + 1),
  submitting: fc.integer({ min: 0, max: 60 }),
  submittingMax: fc.integer({ min: 1, max: 60 }),
  undelivered: fc.integer({ min: 0, max: 60 }),
  startSlots: fc.integer({ min: 0, max: 60 }),
  overlapTokens: fc.double({ min: 0, max: limits.overlapTokensMax, noNaN: true }),
  overlapAt: fc.integer({ min: now - 1_000_000, max: now + 1_000 }),
  budgetUsdMicros: fc.option(fc.integer({ min: -5_000, max: 50_000 })),
  targets: fc.tuple(
    fc.record({
      name: fc.constant('model'),
      outstandingMax: fc.option(fc.integer({ min: 1, max: 20 })),
      outstanding: fc.integer({ min: 0, max: 25 }),
      perMinuteMax: fc.option(fc.integer({ min: 1, max: 60_000 })),
      nextStartAt: fc.integer({ min: now - 10_000, max: now + 100_000 }),
      admits: fc.option(fc.integer({ min: 0, max: 8 })),
      probing: fc.integer({ min: 0, max: 9 }),
    }),
    fc.constant(targetState({ name: 'other' })),
  ),
  lanes: fc
    .array(fc.record({ virtualTime: fc.integer({ min: 0, max: 99 }), tag: fc.integer({ min: 0, max: 9 }) }), {
      maxLength: 3,
    })
    .map((lanes) => lanes.map((lane, index) => ({ class: index, ...lane }))),
  flows: anyFlows,
  overlaps: fc
    .array(fc.record({ target: anyTarget, isWaived: fc.boolean(), ticket: anyTicket }), { maxLength: 8 })
    .map((given) => given.map(({ ticket: head, ...rest }, index) => ({ id: `o${index}`, ...head, ...rest }))),
});

test('whatever the pool: nothing beyond its limits or its targets’, and every head is answered once', () => {
  fc.assert(
    fc.property(anySnapshot, (pool) => {
      const { granted, passedOver, overlapTokens } = chooseGrants(pool);
      const answered = [...granted, ...passedOver].map(({ id }) => id);
      expect(new Set(answered).size).toBe(answered.length);
      const known = new Map(
        [...pool.flows.flatMap(({ heads }) => heads), ...pool.overlaps].map((one) => [one.id, one]),
      );
      for (const { heads } of pool.flows) {
        const isGranted = heads.map(({ id }) => granted.some((grant) => grant.id === id));
        const count = isGranted.filter(Boolean).length;
        expect(isGranted.slice(0, count).every(Boolean)).toBe(true);
        const isAnswered = heads.map(({ id }) => answered.includes(id));
        expect(isAnswered).toEqual(heads.map((_, place) => place <= count));
      }
      expect(granted.length).toBeLessThanOrEqual(Math.max(0, pool.outstandingMax - pool.outstanding));
      expect(granted.length).toBeLessThanOrEqual(Math.max(0, pool.submittingMax - pool.submitting));
      expect(granted.length).toBeLessThanOrEqual(Math.min(pool.startSlots, limits.grantsOfPassMax));
      for (const { name, outstandingMax, outstanding, admits, probing } of pool.targets) {
        const count = granted.filter(({ target }) => target === name).length;
        expect(count).toBeLessThanOrEqual(Math.max(0, (outstandingMax ?? Infinity) - outstanding));
        expect(count).toBeLessThanOrEqual(Math.max(0, (admits ?? Infinity) - probing));
      }
      const committed = granted.reduce((sum, { id }) => sum + (known.get(id)?.priceUsdMicros ?? 0), 0);
      expect(committed === 0 || committed <= (pool.budgetUsdMicros ?? Infinity)).toBe(true);
      expect(overlapTokens).toBeGreaterThanOrEqual(0);
      expect(overlapTokens).toBeLessThanOrEqual(limits.overlapTokensMax);
    }),
    { numRuns: 300 },
  );
});

test('a pass that reads as many heads as it has room for could not have granted more', () => {
  const asRead = fc.property(anySnapshot, (pool) => {
    const { count, targets } = roomOf(pool);
    const { granted } = chooseGrants(pool);
    const isUnknown = ({ target }: { target: string }) => !pool.targets.some(({ name }) => name === target);
    expect(granted.length).toBeLessThanOrEqual(count);
    expect(granted.filter((grant) => !isUnknown(grant) && !targets.includes(grant.target))).toEqual([]);
  });
  fc.assert(asRead, { numRuns: 500 });
});

test('a pool that is said to have no room would have granted nothing', () => {
  const emptied = fc.property(anySnapshot, (pool) => {
    fc.pre(!hasRoom(pool));
    expect(chooseGrants(pool).granted).toEqual([]);
  });
  fc.assert(emptied, { numRuns: 300 });
  expect(hasRoom(snapshot())).toBe(true);
  expect(hasRoom(snapshot({ nextStartAt: now + 3_600_000 }))).toBe(true);
  expect(hasRoom(snapshot({ nextStartAt: now + limits.grantHorizonMs + 1 }))).toBe(false);
  expect(hasRoom(snapshot({ outstanding: 1_000 }))).toBe(false);
  expect(hasRoom(snapshot({ submitting: 1_000 }))).toBe(false);
});

describe('overlaps', () => {
  const fresh = (count: number) => [flow(line(count))];

  test('earn a tenth of a grant each, and cost one', () => {
    const overlaps = [overlapping];
    expect(grantedOf({ flows: fresh(10), overlaps })).not.toContain('overlap');
    expect(grantedOf({ flows: fresh(11), overlaps })).toContain('overlap');
  });

  test('yield to everybody who waits, whatever the class', () => {
    const flows = [flow(line(3), { class: 2 })];
    const granted = grantedOf({ overlapTokens: 5, outstandingMax: 3, flows, overlaps: [overlapping] });
    expect(granted).toEqual(['t0', 't1', 't2']);
  });

  test('that leave a target at fault cost nothing of the budget, and still yield and keep the limits', () => {
    const waived = { ...overlapping, id: 'waived', isWaived: true };
    const grants = chooseGrants(snapshot({ overlapTokens: 0, flows: fresh(2), overlaps: [waived, overlapping] }));
    expect(grants.granted.map(({ id }) => id)).toEqual(['t0', 't1', 'waived']);
    expect(grants.passedOver).toMatchObject([{ id: 'overlap', reason: 'failover_budget' }]);
    expect(grants.overlapTokens).toBeCloseTo(0.2);
    expect(reasonsOf({ outstandingMax: 2, flows: fresh(2), overlaps: [waived] })).toEqual(['capacity']);
  });

  test('trickle one a minute into a quiet system, and no more than one', () => {
    const { overlapTokenEveryMs } = limits;
    const quiet = { flows: [], overlaps: [overlapping] };
    expect(reasonsOf({ ...quiet, overlapAt: now - overlapTokenEveryMs + 1 })).toEqual(['failover_budget']);
    const overlaps = [overlapping, { ...overlapping, id: 'another' }];
    expect(grantedOf({ overlapAt: now - 60 * overlapTokenEveryMs, flows: [], overlaps })).toHaveLength(1);
    expect(reasonsOf({ ...quiet, overlapAt: now + 1_000_000 })).toEqual(['failover_budget']);
  });

  test('save up no more than the bound', () => {
    const grants = chooseGrants(snapshot({ overlapTokens: limits.overlapTokensMax, flows: fresh(30) }));
    expect(grants.overlapTokens).toBe(limits.overlapTokensMax);
  });

  test('stay within a tenth of the grants, plus the trickle, over any traffic', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 200 }), (counts) => {
        const overlaps = line(3).map(({ id }) => ({ ...overlapping, id: `overlap-${id}` }));
        let pool = snapshot({ overlaps });
        let second = 0;
        let others = 0;
        for (const count of counts) {
          const grants = chooseGrants({ ...pool, flows: fresh(count) });
          second += grants.granted.filter(({ id }) => id.startsWith('overlap')).length;
          others += grants.granted.filter(({ id }) => !id.startsWith('overlap')).length;
          const { nextStartAt, overlapTokens } = grants;
          pool = { ...pool, now: pool.now + 1_000, overlapAt: pool.now, nextStartAt, overlapTokens };
        }
        const trickled = (counts.length * 1_000) / limits.overlapTokenEveryMs;
        expect(second).toBeLessThanOrEqual(limits.overlapShareOfGrants * others + trickled + 0.001);
      }),
    );
  });
});
