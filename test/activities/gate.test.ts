import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createGate } from '../../src/activities/gate.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that ends when it is told to, and tells when it begins. */
function createWork() {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const work = (name: number) => () => {
    begun.push(name);
    return new Promise<number>((resolve) => ends.push(() => resolve(name)));
  };
  return { begun, work, endNext: () => ends.shift()?.() };
}

test('so many are in at once, and the others come in the order of their arrival', async () => {
  const gate = createGate({ placesMax: 2, waitMsMax: 1_000 });
  const { begun, work, endNext } = createWork();
  const all = [1, 2, 3, 4].map((name) => gate(work(name)));
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([1, 2]);
  endNext();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([1, 2, 3]);
  for (let rest = 0; rest < 3; rest += 1) {
    endNext();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(await Promise.all(all)).toEqual([1, 2, 3, 4]);
});

test('work that fails leaves its place to the next', async () => {
  const gate = createGate({ placesMax: 1, waitMsMax: 1_000 });
  const answers = Promise.allSettled([gate(() => Promise.reject(new Error('no'))), gate(async () => 'done')]);
  expect(await answers).toMatchObject([{ reason: { message: 'no' } }, { value: 'done' }]);
});

test('nobody stands in line for ever, and who leaves it takes no place with them', async () => {
  const gate = createGate({ placesMax: 1, waitMsMax: 1_000 });
  const { begun, work, endNext } = createWork();
  const first = gate(work(1));
  const second = Promise.allSettled([gate(work(2))]);
  await vi.advanceTimersByTimeAsync(500);
  const third = gate(work(3));
  await vi.advanceTimersByTimeAsync(500);
  expect(await second).toMatchObject([{ reason: { name: 'GateBusyError' } }]);
  endNext();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([1, 3]);
  endNext();
  expect(await Promise.all([first, third])).toEqual([1, 3]);
  // The place is free again.
  const fourth = gate(work(4));
  await vi.advanceTimersByTimeAsync(0);
  endNext();
  expect(await fourth).toBe(4);
});
