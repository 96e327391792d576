import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFairOrder, type Flow } from '../../src/domain/fair-order.ts';
import type { Lane } from '../../src/domain/lanes.ts';
import type { FlowGroup, LineShare } from '../../src/domain/line-share.ts';
import { positionOf } from '../../src/domain/place.ts';

/** A tenant in a class, and how many tickets each of its users has. */
interface Crowd {
  readonly class: number;
  readonly weight: number;
  /** Of its first user; each of the others has the next one. */
  readonly tag: number;
  readonly users: readonly number[];
}

/** A user of a crowd, as it stands in line: of equal tags who has the lower number is served first. */
interface User {
  readonly crowd: Crowd;
  readonly tenant: string;
  readonly tag: number;
  readonly since: number;
  readonly waiting: number;
}

const usersOf = (crowds: readonly Crowd[]): readonly User[] =>
  crowds
    .flatMap((crowd, index) =>
      crowd.users.map((waiting, turn) => ({
        crowd,
        tenant: `tenant-${index}`,
        tag: crowd.tag + turn / crowd.weight,
        waiting,
      })),
    )
    .map((user, since) => ({ ...user, since }));

const clockOf = ({ tag, weight, users }: Crowd): number => tag + users.length / weight;

/** The order in which a pool with these flows drains, by the scheduler itself: `flow:rank` of each turn. */
function drained(lanes: readonly Lane[], users: readonly User[]): readonly string[] {
  const flows = users.map(({ crowd, tenant, tag, since, waiting }): Flow<string> => ({
    class: crowd.class,
    weight: crowd.weight,
    tenant,
    caller: String(since),
    tag,
    tenantTag: clockOf(crowd),
    target: 'vendor/model',
    heads: Array.from({ length: waiting }, (_, rank) => `${since}:${rank + 1}`),
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

function drawnTogether(groups: readonly FlowGroup[]): FlowGroup {
  const sum = (one: 'flows' | 'waiting') => groups.reduce((total, group) => total + group[one], 0);
  return {
    flows: sum('flows'),
    waiting: sum('waiting'),
    tagMin: Math.min(...groups.map(({ tagMin }) => tagMin)),
    tagMax: Math.max(...groups.map(({ tagMax }) => tagMax)),
    sinceMin: Math.min(...groups.map(({ sinceMin }) => sinceMin)),
    sinceMax: Math.max(...groups.map(({ sinceMax }) => sinceMax)),
  };
}

/** What a view of the line tells: so many flows that follow each other are one group. */
function sharesOf(crowds: readonly Crowd[], flowsOfGroup = 1): readonly LineShare[] {
  const users = usersOf(crowds);
  return crowds.map((crowd, index) => {
    const tenant = `tenant-${index}`;
    const each = users
      .filter((user) => user.tenant === tenant)
      .map(({ tag, since, waiting }) => ({
        flows: 1,
        waiting,
        tagMin: tag,
        tagMax: tag,
        sinceMin: since,
        sinceMax: since,
      }));
    const groups = each.flatMap((_one, from) =>
      from % flowsOfGroup === 0 ? [drawnTogether(each.slice(from, from + flowsOfGroup))] : [],
    );
    const { class: index_, weight } = crowd;
    return { ...drawnTogether(each), class: index_, tenant, weight, clock: clockOf(crowd), groups };
  });
}

const waiting = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 30 }));
const crowds = fc.array(
  fc.record({
    class: fc.integer({ min: 0, max: 2 }),
    // Of halves: turns that fall together do so exactly.
    weight: fc.constantFrom(0.5, 1, 1, 1, 2),
    tag: fc.integer({ min: 0, max: 8 }).map((eighths) => 4 + eighths / 8),
    users: fc.array(waiting, { minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 6 },
);
const lanes: readonly Lane[] = [
  { class: 0, virtualTime: 3, tag: 4 },
  { class: 1, virtualTime: 3, tag: 4.5 },
  { class: 2, virtualTime: 3, tag: 4 },
];

/** What the tickets are told, in the order in which they are served. */
function toldInOrder(crowds_: readonly Crowd[], flowsOfGroup = 1): readonly number[] {
  const users = usersOf(crowds_);
  const line = { lanes, shares: sharesOf(crowds_, flowsOfGroup) };
  return drained(lanes, users).flatMap((ticket) => {
    const [since = 0, rank = 0] = ticket.split(':').map(Number);
    const user = users[since];
    if (user === undefined) return [];
    const { crowd, tenant, tag } = user;
    return [positionOf(line, { class: crowd.class, tenant, weight: crowd.weight, tag, since, rank, lanes })];
  });
}

describe('a position', () => {
  test('is the turn that the scheduler takes, whatever the classes, weights, tenants, users and depths', () => {
    fc.assert(
      fc.property(crowds, (some) => {
        const told = toldInOrder(some);
        expect(told).toEqual(told.map((_, turn) => turn + 1));
      }),
      { numRuns: 150 },
    );
  });

  test('is nearly that where the view has drawn flows together', () => {
    const many = Array.from({ length: 200 }, (_, user) => 20 + ((user * 7) % 8));
    const few = Array.from({ length: 40 }, (_, user) => 1 + (user % 2));
    const one = { class: 1, weight: 1, tag: 4 };
    const some = [
      { ...one, users: many },
      { ...one, weight: 2, users: few },
      { ...one, users: [900] },
    ];
    const wrong = toldInOrder(some, 8).filter(
      (told, turn) => Math.abs(told - turn - 1) > Math.max(2, 0.05 * (turn + 1)),
    );
    expect(wrong).toEqual([]);
  });

  test('does not depend on how many users a tenant has, but on how many wait with it', () => {
    const crowd = { class: 1, weight: 1, tag: 4.5 };
    const line = {
      lanes,
      shares: sharesOf([
        { ...crowd, users: Array.from({ length: 1_000 }, () => 1) },
        { ...crowd, users: [500] },
      ]),
    };
    const own = { class: 1, weight: 1, tag: 4.5, since: 1_000, lanes };
    // The other tenant has every other turn.
    expect(positionOf(line, { ...own, tenant: 'tenant-1', rank: 1 })).toBe(2);
    expect(positionOf(line, { ...own, tenant: 'tenant-1', rank: 400 })).toBe(800);
  });

  test('counts who was granted since the line was seen', () => {
    const shares = sharesOf([{ class: 1, weight: 1, tag: 4.5, users: Array.from({ length: 1_000 }, () => 1) }]);
    const own = { class: 1, tenant: 'tenant-0', weight: 1, tag: 704.5, since: 700, rank: 1, lanes };
    expect(positionOf({ lanes, shares }, own)).toBe(701);
    const now = lanes.map((lane) => (lane.class === 1 ? { ...lane, virtualTime: lane.virtualTime + 300 / 8 } : lane));
    expect(positionOf({ lanes, shares }, { ...own, lanes: now })).toBe(401);
    const later = lanes.map((lane) => ({ ...lane, virtualTime: lane.virtualTime + 1_000 }));
    expect(positionOf({ lanes, shares }, { ...own, lanes: later })).toBe(1);
  });

  test('holds where its flow was served since, in any round', () => {
    const shares = sharesOf([{ class: 1, weight: 1, tag: 4, users: [1, 10, 3, 10] }]);
    const own = { class: 1, tenant: 'tenant-0', weight: 1, since: 3, lanes };
    // Rounds of four, three and three turns have passed; from the next one on two are left, and it is the second.
    const now = lanes.map((lane) => (lane.class === 1 ? { ...lane, virtualTime: lane.virtualTime + 10 / 8 } : lane));
    expect(positionOf({ lanes, shares }, { ...own, tag: 4, since: 0, rank: 1 })).toBe(1);
    expect(positionOf({ lanes, shares }, { ...own, tag: 15, rank: 1, lanes: now })).toBe(2);
    expect(positionOf({ lanes, shares }, { ...own, tag: 15, rank: 5, lanes: now })).toBe(10);
  });

  test('is the rank, where the flow is newer than the view', () => {
    const own = { class: 1, tenant: 'tenant-0', weight: 1, tag: null, since: null, lanes };
    expect(positionOf({ lanes: [], shares: [] }, { ...own, rank: 7, lanes: [] })).toBe(7);
    const shares = sharesOf([{ class: 1, weight: 1, tag: 4.5, users: [3] }]);
    expect(positionOf({ lanes, shares }, { ...own, since: 10, rank: 5 })).toBe(3 + 5);
  });
});
