import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chooseGrants,
  hasRoom,
  type PoolSnapshot,
  type WaitingTicket,
  type WaitReason,
} from '../../src/domain/grants.ts';
import { limits } from '../../src/domain/limits.ts';

const now = 5_000_000;

function ticket(id: string, changes: Partial<WaitingTicket> = {}): WaitingTicket {
  return { id, overlap: false, notBefore: 0, priceUsdMicros: 1_000, ...changes };
}

const line = (count: number, changes: Partial<WaitingTicket> = {}): WaitingTicket[] =>
  Array.from({ length: count }, (_, index) => ticket(`t${index}`, changes));

function snapshot(changes: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    now,
    outstandingMax: 1_000,
    outstanding: 0,
    perMinuteMax: 60_000,
    nextStartAt: 0,
    submitting: 0,
    submittingMax: 1_000,
    undelivered: 0,
    startSlots: 1_000,
    overlapTokens: 0,
    overlapAt: now,
    budgetUsdMicros: null,
    waiting: [ticket('t0')],
    ...changes,
  };
}

const reasonsOf = (changes: Partial<PoolSnapshot>) =>
  chooseGrants(snapshot(changes)).passedOver.map(({ reason }) => reason);

/** What makes a lone ticket wait, most pressing first. */
const obstacles: readonly {
  readonly reason: WaitReason;
  readonly pool?: Partial<PoolSnapshot>;
  readonly head?: Partial<WaitingTicket>;
}[] = [
  { reason: 'not_yet', head: { notBefore: now + 1 } },
  { reason: 'budget', pool: { budgetUsdMicros: 999 } },
  { reason: 'capacity', pool: { outstandingMax: 5, outstanding: 5 } },
  { reason: 'rate', pool: { nextStartAt: now + limits.grantHorizonMs + 1 } },
  { reason: 'submitting', pool: { submitting: 7, submittingMax: 7 } },
  { reason: 'undelivered', pool: { perMinuteMax: 120, undelivered: 3 } },
  { reason: 'workers', pool: { startSlots: 0 } },
  { reason: 'failover_budget', pool: { overlapTokens: 0.99 }, head: { overlap: true } },
];

describe('a head of the line', () => {
  test('is granted where nothing speaks against it, and starts now', () => {
    const grants = chooseGrants(snapshot());
    expect(grants.granted).toEqual([{ id: 't0', startAt: now }]);
    expect(grants.passedOver).toEqual([]);
    expect(grants.committedUsdMicros).toBe(1_000);
  });

  test.each(obstacles)('waits for $reason', ({ reason, pool = {}, head = {} }) => {
    expect(reasonsOf({ ...pool, waiting: [ticket('t0', head)] })).toEqual([reason]);
  });

  test.each(obstacles.map(({ reason }, index) => ({ reason, index })))(
    'hears of $reason before all that comes after it',
    ({ reason, index }) => {
      const standing = obstacles.slice(index);
      const pool = Object.assign({}, ...standing.map((obstacle) => obstacle.pool ?? {}));
      const head = Object.assign({}, ...standing.map((obstacle) => obstacle.head ?? {}));
      expect(reasonsOf({ ...pool, waiting: [ticket('t0', head)] })).toEqual([reason]);
    },
  );

  test('that waits for itself alone holds up nobody behind it', () => {
    const grants = chooseGrants(
      snapshot({
        budgetUsdMicros: 5_000,
        waiting: [ticket('late', { notBefore: now + 9 }), ticket('dear', { priceUsdMicros: 9_000 }), ticket('next')],
      }),
    );
    expect(grants.granted.map(({ id }) => id)).toEqual(['next']);
    expect(grants.passedOver.map(({ reason }) => reason)).toEqual(['not_yet', 'budget']);
  });
});

describe('a budget', () => {
  test('counts what the same pass has granted', () => {
    const grants = chooseGrants(snapshot({ budgetUsdMicros: 2_500, waiting: line(4) }));
    expect(grants.granted).toHaveLength(2);
    expect(grants.committedUsdMicros).toBe(2_000);
    expect(grants.passedOver.map(({ reason }) => reason)).toEqual(['budget', 'budget']);
  });

  test('may be used up to the last millionth', () => {
    expect(chooseGrants(snapshot({ budgetUsdMicros: 3_000, waiting: line(3) })).granted).toHaveLength(3);
  });

  test('is kept from a ticket whose price is unknown; without a cap it may go', () => {
    const waiting = [ticket('t0', { priceUsdMicros: null })];
    expect(reasonsOf({ budgetUsdMicros: 1e12, waiting })).toEqual(['budget']);
    expect(chooseGrants(snapshot({ waiting }))).toMatchObject({ granted: [{ id: 't0' }], committedUsdMicros: 0 });
  });

  test('that is overdrawn grants nothing that costs', () => {
    expect(reasonsOf({ budgetUsdMicros: -1 })).toEqual(['budget']);
  });
});

test('one pass grants no more than its bound, its free slots, its workers and its submits', () => {
  const waiting = line(200);
  const grantedOf = (changes: Partial<PoolSnapshot>) => chooseGrants(snapshot({ waiting, ...changes })).granted.length;
  expect(grantedOf({})).toBe(limits.grantsOfPassMax);
  expect(grantedOf({ outstandingMax: 30, outstanding: 10 })).toBe(20);
  expect(grantedOf({ startSlots: 7 })).toBe(7);
  expect(grantedOf({ submitting: 995 })).toBe(5);
  expect(grantedOf({ outstandingMax: 10, outstanding: 12 })).toBe(0);
});

test('after a backward jump of the clock the rate begins anew', () => {
  const grants = chooseGrants(snapshot({ nextStartAt: now + 3_600_000 }));
  expect(grants.granted).toEqual([{ id: 't0', startAt: now }]);
});

test('a slow rate is no jump of the clock', () => {
  const first = chooseGrants(snapshot({ perMinuteMax: 1, waiting: line(2) }));
  expect(first.granted).toHaveLength(1);
  expect(first.nextStartAt).toBe(now + 60_000);
  expect(reasonsOf({ perMinuteMax: 1, nextStartAt: first.nextStartAt, now: now + 1 })).toEqual(['rate']);
});

/** Runs passes at these moments over an endless line and returns every start. */
function startsOf(perMinuteMax: number, gapsMs: readonly number[], waiting: readonly WaitingTicket[]): number[] {
  let pool = snapshot({ perMinuteMax, outstandingMax: 1e9, submittingMax: 1e9, startSlots: 1e9, waiting });
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
        const starts = startsOf(1_200, gapsMs, line(100));
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
        line(100),
      );
      const gaps = starts.slice(1).map((startAt, index) => startAt - (starts[index] ?? 0));
      expect(gaps.filter((gapMs) => gapMs < intervalMs - 0.001)).toEqual([]);
      expect(starts.length).toBeGreaterThanOrEqual(Math.floor(59_900 / intervalMs));
    }),
    { numRuns: 30 },
  );
});

describe('while Temporal is away', () => {
  /** Passes every 100 ms for a minute, of whose mail nothing arrives. */
  function grantedInVain(perMinuteMax: number): number {
    let pool = snapshot({ perMinuteMax, outstandingMax: 1e9, submittingMax: 1e9, waiting: line(100) });
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

const anySnapshot: fc.Arbitrary<PoolSnapshot> = fc.record({
  now: fc.constant(now),
  outstandingMax: fc.integer({ min: 0, max: 60 }),
  outstanding: fc.integer({ min: 0, max: 80 }),
  perMinuteMax: fc.integer({ min: 1, max: 60_000 }),
  nextStartAt: fc.integer({ min: now - 10_000, max: now + 100_000 }),
  submitting: fc.integer({ min: 0, max: 60 }),
  submittingMax: fc.integer({ min: 1, max: 60 }),
  undelivered: fc.integer({ min: 0, max: 60 }),
  startSlots: fc.integer({ min: 0, max: 60 }),
  overlapTokens: fc.double({ min: 0, max: limits.overlapTokensMax, noNaN: true }),
  overlapAt: fc.integer({ min: now - 1_000_000, max: now + 1_000 }),
  budgetUsdMicros: fc.option(fc.integer({ min: -5_000, max: 50_000 })),
  waiting: fc
    .array(
      fc.record({
        overlap: fc.boolean(),
        notBefore: fc.constantFrom(0, now, now + 1),
        priceUsdMicros: fc.option(fc.integer({ min: 0, max: 5_000 })),
      }),
      { maxLength: 100 },
    )
    .map((heads) => heads.map((head, index) => ({ id: `t${index}`, ...head }))),
});

test('whatever the pool: nothing beyond its limits, and everybody is answered once', () => {
  fc.assert(
    fc.property(anySnapshot, (pool) => {
      const { granted, passedOver, committedUsdMicros, overlapTokens } = chooseGrants(pool);
      expect([...granted, ...passedOver].map(({ id }) => id).toSorted()).toEqual(
        pool.waiting.map(({ id }) => id).toSorted(),
      );
      expect(granted.length).toBeLessThanOrEqual(Math.max(0, pool.outstandingMax - pool.outstanding));
      expect(granted.length).toBeLessThanOrEqual(Math.max(0, pool.submittingMax - pool.submitting));
      expect(granted.length).toBeLessThanOrEqual(Math.min(pool.startSlots, limits.grantsOfPassMax));
      expect(committedUsdMicros === 0 || committedUsdMicros <= (pool.budgetUsdMicros ?? Infinity)).toBe(true);
      expect(overlapTokens).toBeGreaterThanOrEqual(0);
      expect(overlapTokens).toBeLessThanOrEqual(limits.overlapTokensMax);
    }),
    { numRuns: 300 },
  );
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
  const overlapping = ticket('overlap', { overlap: true });

  test('earn a tenth of a grant each, and cost one', () => {
    const grants = chooseGrants(snapshot({ waiting: [...line(10), overlapping] }));
    expect(grants.granted.map(({ id }) => id)).not.toContain('overlap');
    expect(chooseGrants(snapshot({ waiting: [...line(11), overlapping] })).granted.map(({ id }) => id)).toContain(
      'overlap',
    );
  });

  test('trickle one a minute into a quiet system, and no more than one', () => {
    const { overlapTokenEveryMs } = limits;
    expect(reasonsOf({ overlapAt: now - overlapTokenEveryMs + 1, waiting: [overlapping] })).toEqual([
      'failover_budget',
    ]);
    const waiting = [overlapping, { ...overlapping, id: 'another' }];
    expect(chooseGrants(snapshot({ overlapAt: now - 60 * overlapTokenEveryMs, waiting })).granted).toHaveLength(1);
    expect(reasonsOf({ overlapAt: now + 1_000_000, waiting: [overlapping] })).toEqual(['failover_budget']);
  });

  test('save up no more than the bound', () => {
    const grants = chooseGrants(snapshot({ overlapTokens: limits.overlapTokensMax, waiting: line(30) }));
    expect(grants.overlapTokens).toBe(limits.overlapTokensMax);
  });

  test('stay within a tenth of the grants, plus the trickle, over any traffic', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 200 }), (fresh) => {
        let pool = snapshot();
        let overlaps = 0;
        let others = 0;
        for (const count of fresh) {
          const waiting = [
            ...line(count),
            ...line(3).map((head) => ({ ...head, id: `overlap-${head.id}`, overlap: true })),
          ];
          const grants = chooseGrants({ ...pool, waiting });
          overlaps += grants.granted.filter(({ id }) => id.startsWith('overlap')).length;
          others += grants.granted.filter(({ id }) => !id.startsWith('overlap')).length;
          const { nextStartAt, overlapTokens } = grants;
          pool = { ...pool, now: pool.now + 1_000, overlapAt: pool.now, nextStartAt, overlapTokens };
        }
        const trickled = (fresh.length * 1_000) / limits.overlapTokenEveryMs;
        expect(overlaps).toBeLessThanOrEqual(limits.overlapShareOfGrants * others + trickled + 0.001);
      }),
    );
  });
});
