import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFairOrder, type Flow, type Lane } from '../../src/domain/fair-order.ts';
import { limits } from '../../src/domain/limits.ts';
import { type Depth, type FlowGroup, positionOf, rankOf } from '../../src/domain/place.ts';

interface Crowd {
  readonly class: number;
  readonly weight: number;
  readonly tag: number;
  readonly waiting: number;
}

const target = 'vendor/model';

/** The order in which a pool with these flows drains, by the scheduler itself: `flow:rank` of each turn. */
function drained(lanes: readonly Lane[], crowds: readonly Crowd[]): readonly string[] {
  const flows = crowds.map(({ waiting, ...crowd }, index): Flow<string> => ({
    ...crowd,
    tenant: String(index),
    caller: '',
    tenantTag: crowd.tag,
    target,
    heads: Array.from({ length: waiting }, (_, rank) => `${index}:${rank + 1}`),
    hasMore: false,
  }));
  const order = createFairOrder({ lanes, flows });
  const served: string[] = [];
  for (let turn = order.next(); turn !== undefined; turn = order.next()) {
    served.push(turn.ticket);
    turn.serve();
  }
  return served;
}

/** Every flow by itself: what a view of the line tells of its head. */
function groupsOf(crowds: readonly Crowd[]): readonly FlowGroup[] {
  return crowds.map(({ tag, ...crowd }, since) => ({
    ...crowd,
    flows: 1,
    tagMin: tag,
    tagMax: tag,
    sinceMin: since,
    sinceMax: since,
  }));
}

const crowds = fc.array(
  fc.record({
    class: fc.integer({ min: 0, max: 2 }),
    // Of halves: turns that fall together do so exactly.
    weight: fc.constantFrom(0.5, 1, 1, 1, 2),
    tag: fc.integer({ min: 0, max: 8 }).map((eighths) => 4 + eighths / 8),
    waiting: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 40 })),
  }),
  { minLength: 1, maxLength: 12 },
);
const lanes: readonly Lane[] = [
  { class: 0, virtualTime: 3, tag: 4 },
  { class: 1, virtualTime: 3, tag: 4.5 },
  { class: 2, virtualTime: 3, tag: 4 },
];

describe('a position', () => {
  test('is the turn that the scheduler takes, whatever the classes, weights and depths', () => {
    fc.assert(
      fc.property(crowds, (waiting) => {
        const line = { lanes, groups: groupsOf(waiting) };
        const told = drained(lanes, waiting).map((ticket) => {
          const [since = 0, rank = 0] = ticket.split(':').map(Number);
          const { class: index = 0, weight = 1, tag = 0 } = waiting[since] ?? {};
          return positionOf(line, { class: index, weight, tag, since, rank, lanes });
        });
        expect(told).toEqual(told.map((_, turn) => turn + 1));
      }),
      { numRuns: 150 },
    );
  });

  test('counts who was granted since the line was seen', () => {
    const groups = groupsOf(Array.from({ length: 1_000 }, () => ({ class: 1, weight: 1, tag: 4.5, waiting: 1 })));
    const own = { class: 1, weight: 1, tag: 4.5, since: 700, rank: 1, lanes };
    expect(positionOf({ lanes, groups }, own)).toBe(701);
    const now = lanes.map((lane) => (lane.class === 1 ? { ...lane, virtualTime: lane.virtualTime + 300 / 8 } : lane));
    expect(positionOf({ lanes, groups }, { ...own, lanes: now })).toBe(401);
    const later = lanes.map((lane) => ({ ...lane, virtualTime: lane.virtualTime + 1_000 }));
    expect(positionOf({ lanes, groups }, { ...own, lanes: later })).toBe(1);
  });

  test('is the rank, where the flow is newer than the view', () => {
    const empty = { lanes: [], groups: [] };
    expect(positionOf(empty, { class: 1, weight: 1, tag: null, since: null, rank: 7, lanes: [] })).toBe(7);
    const groups = groupsOf([{ class: 1, weight: 1, tag: 4.5, waiting: 3 }]);
    const own = { class: 1, weight: 1, tag: null, since: 10, rank: 5, lanes };
    expect(positionOf({ lanes, groups }, own)).toBe(3 + 5);
  });
});

describe('the rank in a flow', () => {
  const deep: Depth = {
    ahead: limits.placesAheadCountedMax,
    waiting: 10_000,
    later: 4_000,
    behind: 120,
    bucket: 300,
    shareBehind: null,
  };

  test('is counted at the head, and behind it by what is behind', () => {
    expect(rankOf({ ...deep, ahead: 0 })).toBe(1);
    expect(rankOf({ ...deep, ahead: 41 })).toBe(42);
    expect(rankOf(deep)).toBe(5_880);
  });

  test('is estimated in a bucket of many, and never less than what was counted', () => {
    const many = { ...deep, behind: limits.placesBehindCountedMax, bucket: 4_000, shareBehind: 0.25 };
    expect(rankOf(many)).toBe(5_000);
    expect(rankOf({ ...many, shareBehind: 7 })).toBe(2_000);
    expect(rankOf({ ...deep, waiting: 0 })).toBe(limits.placesAheadCountedMax + 1);
  });
});
