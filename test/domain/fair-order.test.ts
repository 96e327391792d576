import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFairOrder } from '../../src/domain/fair-order.ts';
import type { FlowKey, Lane } from '../../src/domain/lanes.ts';

/** Of the classes by their index: high, normal, low. */
const shares = [64, 8, 1];

interface Queue extends FlowKey {
  readonly target: string;
  readonly weight: number;
  tag: number;
  isActive: boolean;
  tickets: string[];
}

/** What the database keeps between passes, in memory: flows wake, are read head by head, served, and emptied. */
function createLine() {
  let lanes: readonly Lane[] = [];
  let queues: Queue[] = [];
  const shares = new Map<string, number>();
  let count = 0;
  const isOf = (one: FlowKey, { class: index, tenant, caller }: FlowKey): boolean =>
    one.class === index && one.tenant === tenant && one.caller === caller;

  return {
    lanes: () => lanes,
    waiting: () => queues.reduce((sum, { tickets }) => sum + tickets.length, 0),
    cancel(tenant: string, howMany: number) {
      for (const queue of queues) if (queue.tenant === tenant) queue.tickets.splice(0, howMany);
    },
    arrive(
      tenant: string,
      { howMany = 1, class: index = 1, caller = '', target = 'model', weight = 1 } = {},
    ): readonly string[] {
      const key = { class: index, tenant, caller };
      const tickets = Array.from({ length: howMany }, () => `${tenant}/${caller}/${count++}`);
      if (!lanes.some((lane) => lane.class === index)) {
        const virtualTime = lanes.length === 0 ? 0 : Math.min(...lanes.map((lane) => lane.virtualTime));
        lanes = [...lanes, { class: index, virtualTime, tag: 0 }];
      }
      const same = queues.filter((one) => isOf(one, key));
      const laneTag = lanes.find((lane) => lane.class === index)?.tag ?? 0;
      const share = `${index}/${tenant}`;
      const active = same.find(({ isActive }) => isActive);
      const tag = active?.tag ?? Math.max(laneTag, shares.get(share) ?? 0);
      if (active === undefined) shares.set(share, tag + 1 / weight);
      const queue = same.find((one) => one.target === target);
      if (queue === undefined) queues.push({ ...key, target, weight, tag, isActive: true, tickets: [...tickets] });
      else
        Object.assign(queue, {
          tickets: [...queue.tickets, ...tickets],
          tag: queue.isActive ? queue.tag : tag,
          isActive: true,
        });
      return tickets;
    },
    /** Serves as many as there is room for, at the targets that are open. */
    pass(room: number, { headsMax = room, closed = [] as readonly string[] } = {}): readonly string[] {
      const read = queues
        .filter(({ isActive }) => isActive)
        .map((queue) => {
          const heads = queue.tickets.slice(0, closed.includes(queue.target) ? 1 : headsMax);
          return {
            queue,
            flow: {
              ...queue,
              tenantTag: shares.get(`${queue.class}/${queue.tenant}`) ?? 0,
              heads,
              hasMore: heads.length < queue.tickets.length,
            },
          };
        });
      const order = createFairOrder({
        lanes,
        flows: read.map(({ flow }) => flow),
        isClosed: (target) => closed.includes(target),
      });
      const served: string[] = [];
      for (let turn = order.next(); turn !== undefined && served.length < room; turn = order.next()) {
        if (closed.includes(turn.target)) turn.skip();
        else {
          turn.serve();
          served.push(turn.ticket);
        }
      }
      lanes = order.lanes();
      for (const { class: index, tenant, tag } of order.shares()) shares.set(`${index}/${tenant}`, tag);
      for (const { tag, emptied, ...key } of order.flows())
        for (const queue of queues.filter((one) => isOf(one, key)))
          Object.assign(queue, { tag, isActive: queue.isActive && !emptied.includes(queue.target) });
      const done = new Set(served);
      for (const queue of queues) {
        const next = queue.tickets.findIndex((ticket) => !done.has(ticket));
        queue.tickets.splice(0, next === -1 ? queue.tickets.length : next);
      }
      const stranded = queues.filter(({ isActive, tickets }) => !isActive && tickets.length > 0);
      expect(stranded).toEqual([]);
      return served;
    },
  };
}

type Line = ReturnType<typeof createLine>;

function countBy(
  served: readonly string[],
  keyOf = (ticket: string) => ticket.split('/')[0] ?? '',
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const ticket of served) counts[keyOf(ticket)] = (counts[keyOf(ticket)] ?? 0) + 1;
  return counts;
}

function serve(line: Line, howMany: number, ofPass = 10): readonly string[] {
  return Array.from({ length: Math.ceil(howMany / ofPass) }, () => line.pass(ofPass)).flat();
}

describe('classes', () => {
  test('that all wait share 64 to 8 to 1, over any long run, and none starves', () => {
    const line = createLine();
    for (const index of [0, 1, 2]) line.arrive(`class${index}`, { class: index, howMany: 5_000 });
    const served = serve(line, 73 * 50);
    expect(countBy(served)).toEqual({ class0: 64 * 50, class1: 8 * 50, class2: 50 });
    for (let from = 0; from + 146 <= served.length; from += 73)
      expect(served.slice(from, from + 146).some((ticket) => ticket.startsWith('class2'))).toBe(true);
  });

  test('take what another leaves', () => {
    const line = createLine();
    line.arrive('class1', { class: 1, howMany: 900 });
    line.arrive('class2', { class: 2, howMany: 900 });
    expect(countBy(serve(line, 90))).toEqual({ class1: 80, class2: 10 });
  });

  test('hoard nothing while nobody waits in them', () => {
    const line = createLine();
    line.arrive('early', { class: 0 });
    line.arrive('class1', { howMany: 5_000 });
    serve(line, 1_000);
    line.arrive('class0', { class: 0, howMany: 1_000 });
    expect(countBy(serve(line, 720))).toEqual({ class0: 640, class1: 80 });
  });

  test('hoard nothing while all that waits in them waits for a target that is closed', () => {
    const line = createLine();
    line.arrive('class0', { class: 0, howMany: 5_000, target: 'ill' });
    line.arrive('class1', { howMany: 5_000 });
    for (let pass = 0; pass < 200; pass += 1) line.pass(10, { closed: ['ill'] });
    const served = countBy(serve(line, 730));
    expect(served['class1']).toBeGreaterThanOrEqual(79);
  });

  test('are in the order of their shares at the first grant', () => {
    const line = createLine();
    for (const index of [2, 1, 0]) line.arrive(`class${index}`, { class: index });
    expect(line.pass(3).map((ticket) => ticket.split('/')[0])).toEqual(['class0', 'class1', 'class2']);
  });
});

describe('flows of a class', () => {
  test('share equally, however long their lines are and whoever came first', () => {
    const line = createLine();
    line.arrive('flood', { howMany: 10_000 });
    for (const tenant of ['a', 'b', 'c']) line.arrive(tenant, { howMany: 200 });
    expect(countBy(serve(line, 400))).toEqual({ flood: 100, a: 100, b: 100, c: 100 });
  });

  test('are a tenant’s users, who share what it has: two of them have no more than one', () => {
    const line = createLine();
    line.arrive('one', { howMany: 500 });
    for (const caller of ['ann', 'bob']) line.arrive('two', { caller, howMany: 500 });
    const served = serve(line, 300);
    expect(countBy(served)).toEqual({ one: 150, two: 150 });
    expect(countBy(served, (ticket) => ticket.split('/')[1] ?? '')).toEqual({ '': 150, ann: 75, bob: 75 });
  });

  test('of a tenant with a thousand users don’t delay another’s single job, nor a further user of its own by more than a round', () => {
    const line = createLine();
    for (let user = 0; user < 1_000; user += 1) line.arrive('many', { caller: `user${user}`, howMany: 3 });
    serve(line, 100);
    line.arrive('single');
    const [first, second] = serve(line, 2);
    expect([first, second].some((ticket) => ticket?.startsWith('single'))).toBe(true);
    line.arrive('many', { caller: 'late' });
    expect(serve(line, 1_001).some((ticket) => ticket.startsWith('many/late'))).toBe(true);
  });

  test('that come and go one at a time are charged all the same', () => {
    const line = createLine();
    line.arrive('deep', { howMany: 500 });
    const served: string[] = [];
    for (let job = 0; job < 200; job += 1) {
      line.arrive('returning', { caller: `user${job % 3}` });
      served.push(...line.pass(2));
    }
    const { deep = 0, returning = 0 } = countBy(served);
    expect(Math.abs(deep - returning)).toBeLessThanOrEqual(2);
  });

  test('share by their weights', () => {
    const line = createLine();
    line.arrive('heavy', { howMany: 900, weight: 3 });
    line.arrive('light', { howMany: 900 });
    line.arrive('feather', { howMany: 900, weight: 0.5 });
    expect(countBy(serve(line, 450))).toEqual({ heavy: 300, light: 100, feather: 50 });
  });

  test('are first in first out in themselves', () => {
    const line = createLine();
    const tickets = line.arrive('a', { howMany: 40 });
    line.arrive('b', { howMany: 40 });
    const served = serve(line, 80, 7).filter((ticket) => ticket.startsWith('a/'));
    expect(served).toEqual(tickets);
  });

  test('of equal tags: the one that is given first, which is the older', () => {
    const line = createLine();
    for (const tenant of ['first', 'second', 'third']) line.arrive(tenant);
    expect(line.pass(3).map((ticket) => ticket.split('/')[0])).toEqual(['first', 'second', 'third']);
  });

  test('a newcomer waits for one turn of the others at most', () => {
    const line = createLine();
    for (const tenant of ['a', 'b', 'c']) line.arrive(tenant, { howMany: 10_000 });
    serve(line, 3_000);
    line.arrive('new');
    expect(line.pass(4).some((ticket) => ticket.startsWith('new'))).toBe(true);
  });

  test('hoard nothing while they do not wait', () => {
    const line = createLine();
    line.arrive('idle');
    line.arrive('busy', { howMany: 5_000 });
    serve(line, 2_000);
    line.arrive('idle', { howMany: 1_000 });
    const { idle = 0, busy = 0 } = countBy(serve(line, 400));
    expect(Math.abs(idle - busy)).toBeLessThanOrEqual(2);
  });

  test('come back with what they owe: to leave the line for a moment is no way to the front', () => {
    const line = createLine();
    line.arrive('patient', { howMany: 1_000 });
    let leaps = 0;
    for (let pass = 0; pass < 200; pass += 1) {
      line.arrive('leaper');
      leaps += line.pass(2).filter((ticket) => ticket.startsWith('leaper')).length;
    }
    expect(leaps).toBeLessThanOrEqual(200);
    expect(leaps).toBeGreaterThanOrEqual(198);
  });

  test('keep their share when the older half of their line is cancelled', () => {
    const line = createLine();
    for (const tenant of ['a', 'b']) line.arrive(tenant, { howMany: 1_000 });
    serve(line, 100);
    line.cancel('a', 475);
    expect(countBy(serve(line, 400))).toEqual({ a: 200, b: 200 });
  });

  test('of which all heads are cancelled are left, and hold up nobody', () => {
    const line = createLine();
    for (let caller = 0; caller < 20; caller += 1) line.arrive('gone', { caller: `${caller}` });
    line.arrive('here', { howMany: 5 });
    line.cancel('gone', 1);
    expect(countBy(line.pass(5))).toEqual({ here: 5 });
    expect(line.waiting()).toBe(0);
  });

  test('have one share, at however many targets they wait', () => {
    const line = createLine();
    for (const target of ['model', 'other', 'third']) line.arrive('several', { target, howMany: 500 });
    line.arrive('one', { howMany: 500 });
    const { several = 0, one = 0 } = countBy(serve(line, 400));
    expect(Math.abs(several - one)).toBeLessThanOrEqual(2);
  });
});

describe('a target that is closed', () => {
  test('holds up nobody of another', () => {
    const line = createLine();
    line.arrive('ill', { target: 'ill', howMany: 1_000 });
    line.arrive('well', { howMany: 10 });
    expect(countBy(line.pass(10, { closed: ['ill'] }))).toEqual({ well: 10 });
  });

  test('earns nobody credit: once it is open its line has one turn, and then its share', () => {
    const line = createLine();
    line.arrive('blocked', { target: 'ill', howMany: 1_000 });
    line.arrive('other', { howMany: 5_000 });
    for (let pass = 0; pass < 200; pass += 1) line.pass(10, { closed: ['ill'] });
    const { blocked = 0, other = 0 } = countBy(serve(line, 200));
    expect(Math.abs(blocked - other)).toBeLessThanOrEqual(2);
  });

  test('that opens now and then serves its flows in turn, not always the oldest', () => {
    const line = createLine();
    for (const tenant of ['a', 'b', 'c', 'd']) line.arrive(tenant, { target: 'slow', howMany: 100 });
    line.arrive('fast', { howMany: 5_000 });
    const slow: string[] = [];
    for (let pass = 0; pass < 400; pass += 1) {
      const closed = pass % 10 === 0 ? [] : ['slow'];
      slow.push(...line.pass(1, { closed }).filter((ticket) => !ticket.startsWith('fast')));
    }
    const counts = Object.values(countBy(slow));
    expect(counts).toHaveLength(4);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });
});

test('the rest of the heads are one a flow, at each target, that was not left out', () => {
  const line = { target: 'model', weight: 1, tag: 0, tenantTag: 1, hasMore: false };
  const order = createFairOrder({
    lanes: [],
    flows: [
      { class: 1, tenant: 'a', caller: '', ...line, heads: ['a0', 'a1'] },
      { class: 1, tenant: 'b', caller: '', ...line, heads: ['b0'] },
      { class: 2, tenant: 'c', caller: '', ...line, heads: ['c0'] },
      { class: 2, tenant: 'd', caller: '', ...line, heads: [] },
    ],
  });
  order.next()?.serve();
  order.next()?.skip();
  expect(order.rest().map(({ ticket }) => ticket)).toEqual(['a1', 'c0']);
  expect(order.flows()).toEqual([
    { class: 1, tenant: 'a', caller: '', tag: 1, served: { model: 1 }, emptied: [] },
    { class: 2, tenant: 'd', caller: '', tag: 0, served: {}, emptied: ['model'] },
  ]);
});

/** One ticket at a time, by the definition: no passes, no heads, no bounds. */
function servedNaively(queues: readonly Queue[], howMany: number): readonly string[] {
  const left = queues.map((queue) => ({ ...queue, tickets: [...queue.tickets] }));
  const times = [0, 0, 0];
  const served: string[] = [];
  while (served.length < howMany) {
    const busy = left.filter(({ tickets }) => tickets.length > 0);
    if (busy.length === 0) break;
    const finish = (index: number): number => (times[index] ?? 0) + 1 / (shares[index] ?? 1);
    const classes = [...new Set(busy.map((queue) => queue.class))].toSorted((one, other) => one - other);
    const turn = classes.reduce((best, index) => (finish(index) < finish(best) ? index : best));
    const queue = busy.filter((one) => one.class === turn).reduce((best, one) => (one.tag < best.tag ? one : best));
    served.push(queue.tickets.shift() ?? '');
    times[turn] = finish(turn);
    queue.tag += 1 / queue.weight;
  }
  return served;
}

const anyLines = fc.array(
  fc.record({
    class: fc.integer({ min: 0, max: 2 }),
    howMany: fc.integer({ min: 1, max: 20 }),
    weight: fc.constantFrom(0.5, 1, 2),
  }),
  { minLength: 1, maxLength: 12 },
);

test('passes of any size and few heads serve whom the definition serves, in its order', () => {
  fc.assert(
    fc.property(
      anyLines,
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 20 }),
      (given, rooms) => {
        const line = createLine();
        const sorted = given.toSorted((one, other) => one.class - other.class);
        const queues = sorted.map(({ howMany, ...flow }, index) => {
          const tickets = [...line.arrive(`t${index}`, { howMany, ...flow })];
          return { ...flow, tenant: `t${index}`, caller: '', target: 'model', tag: 0, isActive: true, tickets };
        });
        const served = rooms.flatMap((room) => line.pass(room));
        // A class that runs empty is no longer served: what it would have had, the definition here would not know.
        const whole = Math.min(
          ...queues.map(({ tickets }) => served.indexOf(tickets.at(-1) ?? '')).filter((at) => at >= 0),
          served.length,
        );
        expect(served.slice(0, whole)).toEqual(servedNaively(queues, served.length).slice(0, whole));
        expect(new Set(served).size).toBe(served.length);
      },
    ),
    { numRuns: 100 },
  );
});

test('whatever comes and goes: flows that wait all the while get the same share, give or take a turn or two', () => {
  const anySteps = fc.array(
    fc.record({
      room: fc.integer({ min: 1, max: 20 }),
      comes: fc.integer({ min: 0, max: 4 }),
      goes: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(anySteps, (steps) => {
      const line = createLine();
      for (const tenant of ['a', 'b']) line.arrive(tenant, { howMany: 2_000 });
      const served = steps.flatMap(({ room, comes, goes }, index) => {
        for (let one = 0; one < comes; one += 1) line.arrive(`guest${(index + one) % 7}`);
        line.cancel('guest0', goes);
        return line.pass(room);
      });
      const { a = 0, b = 0 } = countBy(served);
      expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 60 },
  );
});
