import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  BacklogFullError,
  BatchUnansweredError,
  type BatcherSettings,
  createBatcher,
  UnwritableItemError,
} from '../../../src/api/accept/accept-batcher.ts';

class DataError extends Error {}

function setup(overrides: Partial<BatcherSettings<number, number>> = {}) {
  const batches: number[][] = [];
  const write = overrides.write ?? (async (items: readonly number[]) => items.map((item) => item * 10));
  const batcher = createBatcher<number, number>({
    isFaultOfItem: (error) => error instanceof DataError,
    batchMax: 4,
    backlogMax: 100,
    flightsMax: 1,
    everyMs: 0,
    triesMax: 3,
    waitMsMax: 1_000,
    ...overrides,
    write(items) {
      batches.push([...items]);
      return write(items);
    },
  });
  return { batcher, batches };
}

const range = (length: number) => Array.from({ length }, (_, index) => index);

test('gathers what arrives together, in bounded batches and in order', async () => {
  const { batcher, batches } = setup();
  expect(await Promise.all(range(10).map((item) => batcher.submit(item)))).toEqual(range(10).map((item) => item * 10));
  expect(batches).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]);
});

test('what comes after a pause goes at once, and what follows it gathers for a moment', async () => {
  const { batcher, batches } = setup({ everyMs: 100 });
  await batcher.submit(1);
  const second = batcher.submit(2);
  await nextTurn();
  await Promise.all([second, batcher.submit(3)]);
  expect(batches).toEqual([[1], [2, 3]]);
});

test('whoever can not wait for the next batch hears that nothing was written', async () => {
  const { batcher, batches } = setup({ everyMs: 1_000 });
  await batcher.submit(1);
  await expect(batcher.submit(2, 20)).rejects.toMatchObject({ name: 'BatchUnansweredError', inDoubt: false });
  await batcher.drain();
  expect(batches).toEqual([[1]]);
});

test('a batch whose fate is unknown is written again with the same items', async () => {
  let tries = 0;
  const { batcher, batches } = setup({
    async write(items) {
      tries += 1;
      if (tries < 3) throw new Error('connection lost');
      return [...items];
    },
  });
  expect(await Promise.all([batcher.submit(1), batcher.submit(2)])).toEqual([1, 2]);
  expect(batches).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});

test('after the last try everybody hears that the fate is unknown', async () => {
  const { batcher, batches } = setup({ write: () => Promise.reject(new Error('connection lost')) });
  const results = await Promise.allSettled([batcher.submit(1), batcher.submit(2)]);
  expect(
    results.map((result) => result.status === 'rejected' && result.reason instanceof BatchUnansweredError),
  ).toEqual([true, true]);
  expect(batches).toHaveLength(3);
});

test.each([0, 1, 2, 3, 4, 5, 6, 7])('the bad item %i alone fails, whatever its place', async (bad) => {
  const written: number[] = [];
  const { batcher } = setup({
    batchMax: 8,
    async write(items) {
      if (items.includes(bad)) throw new DataError();
      written.push(...items);
      return [...items];
    },
  });
  const results = await Promise.allSettled(range(8).map((item) => batcher.submit(item)));
  const failed = results.flatMap((result, index) => (result.status === 'rejected' ? [index] : []));
  expect(failed).toEqual([bad]);
  expect(written.toSorted((left, right) => left - right)).toEqual(range(8).filter((item) => item !== bad));
});

test('two bad items fail, and a lost connection in between is tried again', async () => {
  let lost = false;
  const { batcher } = setup({
    batchMax: 8,
    async write(items) {
      if (items.length === 4 && !lost) {
        lost = true;
        throw new Error('connection lost');
      }
      if (items.includes(1) || items.includes(6)) throw new DataError();
      return [...items];
    },
  });
  const results = await Promise.allSettled(range(8).map((item) => batcher.submit(item)));
  const reasons = results.flatMap((result, index) =>
    result.status === 'rejected' ? [[index, result.reason.name]] : [],
  );
  expect(reasons).toEqual([
    [1, UnwritableItemError.name],
    [6, UnwritableItemError.name],
  ]);
});

test('a full backlog refuses at once, and takes again when it has drained', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { batcher } = setup({
    backlogMax: 3,
    async write(items) {
      await gate;
      return [...items];
    },
  });
  const accepted = [1, 2, 3].map((item) => batcher.submit(item));
  await expect(batcher.submit(4)).rejects.toBeInstanceOf(BacklogFullError);
  release();
  expect(await Promise.all(accepted)).toEqual([1, 2, 3]);
  expect(await batcher.submit(5)).toBe(5);
});

test('a silent writer is not waited for, and what waited behind it is never written', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { batcher, batches } = setup({
    batchMax: 1,
    waitMsMax: 50,
    async write(items) {
      await gate;
      return [...items];
    },
  });
  const results = await Promise.allSettled([batcher.submit(1), batcher.submit(2)]);
  expect(results.map((result) => result.status === 'rejected' && result.reason)).toMatchObject([
    { name: 'BatchUnansweredError', inDoubt: true },
    { name: 'BatchUnansweredError', inDoubt: false },
  ]);
  release();
  await batcher.drain();
  expect(batches).toEqual([[1]]);
});

test('whoever has less time left waits less', async () => {
  const { batcher } = setup({ waitMsMax: 60_000, write: () => new Promise(() => undefined) });
  await expect(batcher.submit(1, 20)).rejects.toBeInstanceOf(BatchUnansweredError);
});

test('drains what is under way, and an idle batcher at once', async () => {
  const { batcher, batches } = setup();
  await batcher.drain();
  const submitted = batcher.submit(1);
  await batcher.drain();
  expect(batches).toEqual([[1]]);
  await submitted;
});

test('a writer that forgets an item is not taken for success', async () => {
  const { batcher } = setup({ write: async () => [1] });
  const results = await Promise.allSettled([batcher.submit(1), batcher.submit(2)]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});
