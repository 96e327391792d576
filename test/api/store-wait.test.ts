import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readObject, storeAnswered } from '../../src/api/store-wait.ts';
import { limits } from '../../src/domain/limits.ts';
import type { ObjectStore, OpenedObject } from '../../src/storage/object-store.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const storeOf = (opened: OpenedObject | undefined): ObjectStore => ({
  open: async () => opened,
  write: async () => undefined,
  describe: async () => undefined,
  copy: async () => false,
  remove: async () => undefined,
});
const range = { start: 0, end: 9 };

test('a store that says nothing is a 503 after its time, and not before', async () => {
  const answer = Promise.allSettled([storeAnswered(new Promise(() => undefined))]);
  let settled = false;
  void answer.then(() => (settled = true));
  await vi.advanceTimersByTimeAsync(limits.storeWaitMsMax - 1);
  expect(settled).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toMatchObject([{ reason: { kind: 'storage_unavailable' } }]);
});

test('a store that fails is one, with the reason for the log', async () => {
  const cause = new Error('EIO');
  expect(await storeAnswered(Promise.reject(cause)).catch((error: unknown) => error)).toMatchObject({
    kind: 'storage_unavailable',
    cause,
  });
});

test('an object is read, and one that is not there is none', async () => {
  const body = Readable.from([Buffer.from('pic'), Buffer.from('ture')], { objectMode: false });
  expect(await readObject(storeOf({ bytes: 99, body }), 'a.jpg', range)).toEqual({
    bytes: 99,
    content: Buffer.from('picture'),
  });
  expect(await readObject(storeOf(undefined), 'a.jpg', range)).toBeUndefined();
});
