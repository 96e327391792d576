import { expect, test } from 'vitest';
import { createWaitGate, type Waiter } from '../../../src/api/accept/queue-wait.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import type { StoredLine } from '../../../src/db/scheduler/line.ts';
import { target } from '../api-bench.ts';

/** A line of one tenant without users, served by one slot: a video takes a minute. */
function lineOf(waiting: number, wish: { readonly waitReason?: string; readonly slots?: number } = {}): StoredLine {
  const flow = { flows: 1, waiting, tagMin: 0, tagMax: 0, sinceMin: 1, sinceMax: 1 };
  return {
    outstandingMax: wish.slots ?? 1,
    perMinuteMax: 60,
    lanes: [{ class: 1, virtualTime: 0, tag: 0 }],
    targets: [
      {
        name: target.name,
        waitReason: wish.waitReason ?? 'permit',
        outstandingMax: null,
        perMinuteMax: null,
        durations: {},
        zombies: 0,
        underWay: [[1_000, 1]],
        drained: [],
      },
    ],
    shares: [{ class: 1, tenant: 'deep', weight: 1, target: null, clock: 1, ...flow, groups: [flow] }],
  };
}

function waiterOf(wish: Partial<Waiter>): Waiter {
  const known = { route: [target], tenant: 'deep', class: 1, queueTtlSeconds: 600, peekWaiting: () => undefined };
  return { ...known, ...wish };
}

function refusalOf(line: StoredLine | undefined, wish: Partial<Waiter> = {}): Problem | undefined {
  try {
    createWaitGate({ peek: () => line }).check(waiterOf(wish));
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

test('a job that would only wait to expire is refused, with the wait and when to come back', () => {
  const refusal = refusalOf(lineOf(100));
  expect(refusal?.kind).toBe('queue_too_long');
  const [, waitSeconds] = /wait some (\d+) s/.exec(refusal?.detail.detail ?? '') ?? [];
  // A hundred videos one after the other: of a minute as a rule, some of ten, and with what four cases of five need.
  expect(Number(waitSeconds)).toBeGreaterThan(5_000);
  expect(Number(waitSeconds)).toBeLessThan(20_000);
  expect(refusal?.detail.headers).toEqual({ 'retry-after': '3600' });
  expect(refusal?.detail.isLasting).toBe(true);
});

test('one that may wait for so long is let in', () => {
  expect(refusalOf(lineOf(100), { queueTtlSeconds: 24 * 3_600 })).toBeUndefined();
  expect(refusalOf(lineOf(2))).toBeUndefined();
});

test('the line of one tenant is not in the way of another', () => {
  expect(refusalOf(lineOf(100), { tenant: 'other' })).toBeUndefined();
});

test('what nobody knows lets in: a line that has not been read, a pool without limits, a target left alone', () => {
  expect(refusalOf(undefined)).toBeUndefined();
  expect(refusalOf({ ...lineOf(100), outstandingMax: null })).toBeUndefined();
  expect(refusalOf(lineOf(100, { waitReason: 'breaker' }))).toBeUndefined();
});

test('a route that has another target with a short line is let in', () => {
  const second = { ...target, name: 'acme/other', pool: 'acme-other' };
  const lines = new Map([
    [target.pool, lineOf(100)],
    [second.pool, { ...lineOf(0), targets: lineOf(0).targets.map((one) => ({ ...one, name: second.name })) }],
  ]);
  const gate = createWaitGate({ peek: (pool) => lines.get(pool) });
  expect(() => gate.check(waiterOf({ route: [target, second] }))).not.toThrow();
  expect(() => gate.check(waiterOf({ route: [target] }))).toThrow(Problem);
});

test('a user of a tenant stands behind its own jobs, and not behind those of the others', () => {
  const line = lineOf(100);
  const [share] = line.shares;
  const users = { ...line, shares: share === undefined ? [] : [{ ...share, flows: 2 }] };
  expect(refusalOf(users, { peekWaiting: () => 99 })?.kind).toBe('queue_too_long');
  expect(refusalOf(users, { peekWaiting: () => 0 })).toBeUndefined();
});

test('a line is forecast once, however many ask', () => {
  let reads = 0;
  const line = lineOf(100);
  const targets = new Proxy(line.targets, {
    get(list, key, self): unknown {
      if (key === 'find') reads += 1;
      return Reflect.get(list, key, self);
    },
  });
  const watched = { ...line, targets };
  const gate = createWaitGate({ peek: () => watched });
  for (let asked = 0; asked < 100; asked += 1) expect(() => gate.check(waiterOf({}))).toThrow(Problem);
  expect(reads).toBeLessThan(5);
});
