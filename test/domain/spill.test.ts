import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { chooseSpills, type SpillSnapshot } from '../../src/domain/spill.ts';
import type { SpillAccount, SpillPlace } from '../../src/domain/spill-room.ts';

const now = 5_000_000;

function place(pool: string, changes: Partial<SpillPlace> = {}): SpillPlace {
  return {
    pool,
    name: `${pool}/model`,
    admits: null,
    probing: 0,
    outstanding: 0,
    outstandingMax: null,
    perMinuteMax: null,
    nextStartAt: 0,
    waiting: 0,
    isPaused: false,
    ...changes,
  };
}

function account(pool: string, changes: Partial<SpillAccount> = {}): SpillAccount {
  return { pool, outstanding: 0, outstandingMax: 20, perMinuteMax: 600_000, nextStartAt: 0, ...changes };
}

const option = (pool: string, index: number, name = `${pool}/model`) => ({ index, pool, name });

function flow(heads: SpillSnapshot['flows'][number]['heads'], changes: Partial<SpillSnapshot['flows'][number]> = {}) {
  return {
    class: 1,
    tenant: 'tenant',
    caller: '',
    target: 'full/model',
    weight: 1,
    tag: 0,
    tenantTag: 1,
    heads,
    hasMore: true,
    ...changes,
  };
}

const tickets = (count: number, options = [option('next', 1)], prefix = 'ticket') =>
  Array.from({ length: count }, (_, index) => ({ id: `${prefix}-${index}`, options }));

/** A line at an account whose slots are taken, and another account of twenty free ones. */
function snapshot(changes: Partial<SpillSnapshot> = {}): SpillSnapshot {
  return {
    now,
    pool: 'full',
    places: [place('full', { waiting: 100 }), place('next')],
    accounts: [account('full', { outstanding: 20 }), account('next')],
    lanes: [{ class: 1, virtualTime: 10, tag: 3 }],
    flows: [flow(tickets(40))],
    overlaps: [],
    ...changes,
  };
}

describe('the budget of a tenant', () => {
  const need = { usdMicros: 500, budgets: ['day'] };
  const dear = [{ ...option('next', 1), need }];

  test('lets as many go to a dearer target as it has room for, together', () => {
    const { moves, unaffordable, stranded } = chooseSpills(
      snapshot({ flows: [flow(tickets(10, dear))], leftUsdMicros: new Map([['day', 1_499]]) }),
    );
    expect(moves.map(({ id }) => id)).toEqual(['ticket-0', 'ticket-1']);
    expect(unaffordable).toHaveLength(8);
    // What the budget has no room for today it may have room for tomorrow.
    expect(stranded).toEqual([]);
  });

  test('keeps nobody who needs nothing of it, and nobody from a cheaper target', () => {
    const both = [...dear, option('next', 2)];
    const flows = [
      flow([...tickets(1, dear, 'dear'), ...tickets(1, [option('next', 1)], 'paid'), ...tickets(1, both, 'both')]),
    ];
    const { moves, unaffordable } = chooseSpills(snapshot({ flows, leftUsdMicros: new Map([['day', 0]]) }));
    expect(moves.map(({ id, index }) => [id, index])).toEqual([
      ['paid-0', 1],
      ['both-0', 2],
    ]);
    expect(unaffordable).toEqual(['dear-0']);
  });
});

describe('a spill', () => {
  test('fills the free slots of the other target and a few more, so that none is idle until the next pass', () => {
    const { moves } = chooseSpills(snapshot());
    expect(moves).toHaveLength(20 + 2);
    expect(moves[0]).toEqual({ id: 'ticket-0', index: 1, reason: 'spill' });
  });

  test.each<{ what: string; ofPlace: Partial<SpillPlace>; ofAccount: Partial<SpillAccount>; count: number }>([
    { what: 'who waits there already counts', ofPlace: { waiting: 15 }, ofAccount: {}, count: 7 },
    { what: 'who is under way there counts', ofPlace: {}, ofAccount: { outstanding: 19 }, count: 3 },
    {
      what: 'a full account takes those who wait for its next slots',
      ofPlace: {},
      ofAccount: { outstanding: 20 },
      count: 2,
    },
    {
      what: 'starts that are spent take as many',
      ofPlace: {},
      ofAccount: { perMinuteMax: 6, nextStartAt: now + 9_000 },
      count: 2,
    },
    {
      what: 'so do the other target`s own limits',
      ofPlace: { outstandingMax: 4, outstanding: 1 },
      ofAccount: {},
      count: 5,
    },
    { what: 'and its own rate', ofPlace: { perMinuteMax: 6, nextStartAt: now }, ofAccount: {}, count: 3 },
    { what: 'a pause takes none', ofPlace: { isPaused: true }, ofAccount: {}, count: 0 },
    { what: 'an open breaker takes none', ofPlace: { admits: 0 }, ofAccount: {}, count: 0 },
    { what: 'a half-open one takes its probes', ofPlace: { admits: 4, probing: 1 }, ofAccount: {}, count: 3 },
    { what: 'and none beyond them', ofPlace: { admits: 1, waiting: 1 }, ofAccount: {}, count: 0 },
  ])('$what', ({ ofPlace, ofAccount, count }) => {
    const places = [place('full', { waiting: 100 }), place('next', ofPlace)];
    const accounts = [account('full', { outstanding: 20 }), account('next', ofAccount)];
    expect(chooseSpills(snapshot({ places, accounts })).moves).toHaveLength(count);
  });

  test('goes to the first of the route that has room, and not where nobody knows of a place', () => {
    const places = [place('full', { waiting: 9 }), place('next', { outstandingMax: 1 }), place('last')];
    const accounts = [account('full', { outstanding: 20 }), account('next'), account('last')];
    const options = [option('unheard-of', 1), option('next', 2), option('last', 3)];
    const { moves } = chooseSpills(snapshot({ places, accounts, flows: [flow(tickets(5, options))] }));
    expect(moves.map(({ index }) => index)).toEqual([2, 2, 2, 3, 3]);
  });

  test('leaves those in line whom their own target can serve now', () => {
    const accounts = [account('full', { outstanding: 17 }), account('next')];
    const { moves } = chooseSpills(snapshot({ accounts, flows: [flow(tickets(5))] }));
    expect(moves.map(({ id }) => id)).toEqual(['ticket-3', 'ticket-4']);
  });

  test('of an account that is full is none to another target of it; of a target that is, it is', () => {
    const beside = [option('full', 1, 'full/beside')];
    const flows = [flow(tickets(3, beside))];
    const full = snapshot({ flows, places: [place('full'), place('full', { name: 'full/beside' })] });
    expect(chooseSpills(full).moves).toEqual([]);
    const accounts = [account('full', { outstanding: 18 })];
    const places = [place('full', { outstanding: 2, outstandingMax: 2 }), place('full', { name: 'full/beside' })];
    const { moves, lanes, flows: charged } = chooseSpills(snapshot({ flows, accounts, places }));
    expect(moves).toHaveLength(3);
    // The grant beside will be charged, in the same account.
    expect([lanes, charged]).toEqual([[], []]);
  });
});

describe('an open breaker', () => {
  const open = (admits: number, probing = 0) => [place('full', { admits, probing, waiting: 9 }), place('next')];
  const accounts = [account('full'), account('next')];

  test('is left by everybody whom it does not admit', () => {
    const flows = [flow(tickets(5))];
    expect(chooseSpills(snapshot({ accounts, flows, places: open(0) })).moves).toHaveLength(5);
    const { moves } = chooseSpills(snapshot({ accounts, flows, places: open(4, 1) }));
    expect(moves).toEqual([
      { id: 'ticket-3', index: 1, reason: 'breaker' },
      { id: 'ticket-4', index: 1, reason: 'breaker' },
    ]);
  });

  test('is left by overlaps too, after all others', () => {
    const overlaps = [{ id: 'overlap-0', options: [option('next', 2)], target: 'full/model' }];
    const few = [account('full'), account('next', { outstanding: 18 })];
    const order = (count: number) =>
      chooseSpills(snapshot({ accounts: few, places: open(0), flows: [flow(tickets(count))], overlaps })).moves;
    expect(order(2).map(({ id }) => id)).toEqual(['ticket-0', 'ticket-1', 'overlap-0']);
    expect(order(9).map(({ id }) => id)).not.toContain('overlap-0');
  });

  test('tells of those who have nowhere to go, and keeps nobody behind them', () => {
    const flows = [flow([...tickets(1, [], 'bound'), ...tickets(1)])];
    const { moves, stranded } = chooseSpills(snapshot({ accounts, places: open(0), flows }));
    expect(stranded).toEqual(['bound-0']);
    expect(moves.map(({ id }) => id)).toEqual(['ticket-0']);
  });
});

describe('what an operator holds', () => {
  test('is nowhere to go to', () => {
    expect(
      chooseSpills(snapshot({ places: [place('full', { waiting: 100 }), place('next', { isHeld: true })] })).moves,
    ).toEqual([]);
  });

  test('keeps nobody who may leave, also where there would be room', () => {
    const places = [place('full', { waiting: 5, isHeld: true }), place('next')];
    const accounts = [account('full'), account('next')];
    const { moves } = chooseSpills(snapshot({ places, accounts, flows: [flow(tickets(5))] }));
    expect(moves.map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'spill'));
  });

  test('lets who waits for a drained target go for that, to the room that there is', () => {
    const places = [place('full', { waiting: 40, isHeld: true, isDrained: true, admits: 0 }), place('next')];
    const { moves } = chooseSpills(snapshot({ places }));
    expect(moves.length).toBeGreaterThanOrEqual(20);
    expect(moves.length).toBeLessThan(40);
    expect(new Set(moves.map(({ reason }) => reason))).toEqual(new Set(['drain']));
  });
});

describe('the order', () => {
  test('is that of the flows, and who has left is charged for it, so that the next pass goes on', () => {
    const flows = [
      flow(tickets(40, undefined, 'many'), { tenant: 'many' }),
      flow(tickets(2, undefined, 'few'), { tenant: 'few' }),
      flow(tickets(40, undefined, 'heavy'), { tenant: 'heavy', tenantTag: 0.5, weight: 2 }),
    ];
    const { moves, lanes, flows: charged } = chooseSpills(snapshot({ flows }));
    const countOf = (prefix: string) => moves.filter(({ id }) => id.startsWith(prefix)).length;
    expect([countOf('few'), countOf('many'), countOf('heavy')]).toEqual([2, 7, 13]);
    expect(lanes).toEqual(
      [{ class: 1, virtualTime: 10 + 22 / 8, tag: 3 + 6 }].map((lane) => expect.objectContaining(lane)),
    );
    expect(charged.find(({ tenant }) => tenant === 'many')?.tag).toBe(3 + 7);
    expect(charged.find(({ tenant }) => tenant === 'heavy')?.tag).toBe(3 + 6.5);
  });

  test('has room for nobody twice, and for no more than there is, whatever waits', () => {
    const arbitraryPlace = fc.record({
      admits: fc.option(fc.integer({ min: 0, max: 4 })),
      probing: fc.integer({ min: 0, max: 4 }),
      outstanding: fc.integer({ min: 0, max: 30 }),
      outstandingMax: fc.option(fc.integer({ min: 1, max: 30 })),
      waiting: fc.integer({ min: 0, max: 100 }),
    });
    const arbitrary = fc.record({
      source: arbitraryPlace,
      goals: fc.array(arbitraryPlace, { minLength: 1, maxLength: 3 }),
      free: fc.integer({ min: 0, max: 30 }),
      counts: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }),
      route: fc.shuffledSubarray([0, 1, 2]),
    });
    fc.assert(
      fc.property(arbitrary, ({ source, goals, free, counts, route }) => {
        const places = [place('full', source), ...goals.map((goal, index) => place(`goal-${index}`, goal))];
        const accounts = places.map(({ pool }) => account(pool, { outstanding: 30 - free, outstandingMax: 30 }));
        const options = route.map((index) => option(`goal-${index}`, index + 1));
        const flows = counts.map((count, caller) =>
          flow(tickets(count, options, `${caller}`), { caller: `${caller}` }),
        );
        const { moves } = chooseSpills(snapshot({ places, accounts, flows }));
        expect(new Set(moves.map(({ id }) => id)).size).toBe(moves.length);
        expect(moves.length).toBeLessThanOrEqual(limits.spillsOfPassMax);
        for (const [index, goal] of goals.entries()) {
          const came = moves.filter((move) => move.index === index + 1).length;
          if (came === 0) continue;
          const left = Math.max(0, (goal.outstandingMax ?? Infinity) - goal.outstanding);
          const own = Math.max(0, Math.min((goal.admits ?? Infinity) - goal.probing, left));
          // Of those who are there already, the account has to do with as many as the target takes.
          expect(Math.min(goal.waiting, own) + came).toBeLessThanOrEqual(free + 3);
          expect(goal.probing + goal.waiting + came).toBeLessThanOrEqual(goal.admits ?? Infinity);
          expect(goal.waiting + came).toBeLessThanOrEqual(left + 3);
        }
      }),
    );
  });
});
