import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type CachedLookup, createCachedLookup } from '../../../src/api/auth/cached-lookup.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { until } from '../../support/until.ts';

interface Bench {
  readonly lookup: CachedLookup<string>;
  /** What there is. */
  readonly facts: Map<string, string>;
  /** The names of every statement. */
  readonly reads: (readonly string[])[];
  now: number;
  /** What a statement waits for. */
  gate: Promise<unknown>;
}

let bench: Bench;
// How long a statement is waited for is up to the tests, however busy the machine is.
afterEach(() => void vi.useRealTimers());
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const facts = new Map([['ann', 'one']]);
  const reads: (readonly string[])[] = [];
  const lookup = createCachedLookup<string>({
    async readMany(names) {
      reads.push(names);
      const answer = new Map([...facts].filter(([name]) => names.includes(name)));
      await bench.gate;
      return answer;
    },
    clock: () => bench.now,
    freshMs: 30_000,
    servedMsMax: 60_000,
    absentMs: 5_000,
  });
  bench = { lookup, facts, reads, now: 1_000_000, gate: Promise.resolve() };
});

/** Lets every promise that can go on do so. */
const settle = () => new Promise((resolve) => void setImmediate(resolve));

test('what is known is not asked for again, however many ask', async () => {
  for (let count = 0; count < 100; count += 1) expect(await bench.lookup.find('ann')).toBe('one');
  bench.now += 29_999;
  expect(await bench.lookup.find('ann')).toBe('one');
  expect(bench.reads).toEqual([['ann']]);
});

test('what is not so fresh still serves, while it is read anew', async () => {
  await bench.lookup.find('ann');
  bench.facts.set('ann', 'two');
  bench.now += 30_000;
  expect(await bench.lookup.find('ann')).toBe('one');
  await until('the new one is there', async () => (await bench.lookup.find('ann')) === 'two');
  expect(bench.reads.length).toBe(2);
});

test('what is too old does not serve: whoever asks waits for the new', async () => {
  await bench.lookup.find('ann');
  bench.facts.delete('ann');
  bench.now += 60_000;
  expect(await bench.lookup.find('ann')).toBeUndefined();
});

test('what does not exist is believed for a moment, and may come to exist', async () => {
  expect(await bench.lookup.find('bob')).toBeUndefined();
  bench.facts.set('bob', 'two');
  bench.now += 4_999;
  expect(await bench.lookup.find('bob')).toBeUndefined();
  expect(bench.reads.length).toBe(1);
  bench.now += 1;
  expect(await bench.lookup.find('bob')).toBe('two');
});

test('a clock that is set back prolongs nothing', async () => {
  await bench.lookup.find('ann');
  bench.facts.delete('ann');
  bench.now -= 600_000;
  expect(await bench.lookup.find('ann')).toBeUndefined();
});

test('a flood of names is one statement at a time, each for all that came meanwhile', async () => {
  let open = (): void => undefined;
  bench.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const first = bench.lookup.find('first');
  await settle();
  const flood = Array.from({ length: 2_000 }, (_, index) => bench.lookup.find(`name-${index % 1_000}`));
  const again = bench.lookup.find('first');
  await settle();
  expect(bench.reads).toEqual([['first']]);
  open();
  expect(await Promise.all([first, again])).toEqual([undefined, undefined]);
  expect(new Set(await Promise.all(flood))).toEqual(new Set([undefined]));
  expect(bench.reads.map(({ length }) => length)).toEqual([1, 1_000]);
});

test('more names than a statement may have are told to come back, and those that are known are served', async () => {
  await bench.lookup.find('ann');
  const flood = Array.from({ length: limits.lookupNamesMax + 1 }, (_, index) => bench.lookup.find(`name-${index}`));
  const ends = await Promise.allSettled(flood);
  const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  expect(refused.map((error) => (error instanceof Problem ? error.kind : error))).toEqual(['overloaded']);
  expect(await bench.lookup.find('ann')).toBe('one');
  expect(bench.reads.length).toBe(2);
});

test('names that nobody has push out none that somebody has', async () => {
  await bench.lookup.find('ann');
  for (let count = 0; count < 3; count += 1)
    await Promise.all(Array.from({ length: 4_999 }, (_, index) => bench.lookup.find(`name-${count}-${index}`)));
  const before = bench.reads.length;
  expect(await bench.lookup.find('ann')).toBe('one');
  expect(bench.reads.length).toBe(before);
});

describe('while the database is away', () => {
  test('what is known serves for as long as it may, and is not asked for by every request', async () => {
    await bench.lookup.find('ann');
    bench.gate = Promise.reject(new Error('away'));
    bench.gate.catch(() => undefined);
    bench.now += 30_000;
    for (let count = 0; count < 100; count += 1) {
      expect(await bench.lookup.find('ann')).toBe('one');
      await settle();
    }
    expect(bench.reads.length).toBeLessThan(10);
    bench.now += 30_000;
    await expect(bench.lookup.find('ann')).rejects.toMatchObject({ kind: 'database_unavailable' });
  });

  test('what is not known is a 503, and is there as soon as the database is', async () => {
    bench.gate = Promise.reject(new Error('away'));
    bench.gate.catch(() => undefined);
    await expect(bench.lookup.find('ann')).rejects.toMatchObject({ kind: 'database_unavailable' });
    bench.gate = Promise.resolve();
    expect(await bench.lookup.find('ann')).toBe('one');
  });

  test('one that says nothing is not waited for long', async () => {
    bench.gate = new Promise(() => undefined);
    const found = bench.lookup.find('ann');
    await until('the statement is under way', () => bench.reads.length === 1);
    vi.advanceTimersByTime(limits.lookupWaitMsMax);
    await expect(found).rejects.toMatchObject({ kind: 'database_unavailable' });
  });
});
