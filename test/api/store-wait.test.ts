import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openAnswered, readAnswered, storeAnswered } from '../../src/api/store-wait.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { ObjectStore, OpenedObject } from '../../src/storage/object-store.ts';

const storeOf = (open: () => Promise<OpenedObject | undefined>): ObjectStore => ({
  open,
  write: async () => undefined,
  describe: async () => undefined,
  copy: async () => false,
  remove: async () => undefined,
});
const wanted = { key: 'a.jpg', range: { start: 0, end: 9 } };

describe('a store that says nothing', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('is a 503 after its time, and not before', async () => {
    const answer = Promise.allSettled([storeAnswered(new Promise(() => undefined))]);
    let settled = false;
    void answer.then(() => (settled = true));
    await vi.advanceTimersByTimeAsync(limits.storeWaitMsMax - 1);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toMatchObject([{ reason: { kind: 'storage_unavailable' } }]);
  });
});

test('a store that fails is one, with the reason for the log', async () => {
  const cause = new Error('EIO');
  const unavailable = { kind: 'storage_unavailable', cause };
  const store = storeOf(() => Promise.reject(cause));
  const failing = [storeAnswered(Promise.reject(cause)), openAnswered(store, wanted), readAnswered(store, wanted)];
  expect(await Promise.allSettled(failing)).toMatchObject(failing.map(() => ({ reason: unavailable })));
});

test('an object that is opened after the wait is closed again: its reader has had a 503', async () => {
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  let opened: (object: OpenedObject) => void = () => undefined;
  const store = storeOf(() => new Promise((resolve) => (opened = resolve)));
  try {
    const answer = Promise.allSettled([openAnswered(store, wanted)]);
    expect(timeout.mock.calls).toEqual([[limits.storeWaitMsMax]]);
    late.abort();
    expect(await answer).toMatchObject([{ reason: { kind: 'storage_unavailable' } }]);
    const body = new Readable({ read: () => undefined });
    opened({ bytes: 1, body });
    await expect.poll(() => body.destroyed).toBe(true);
  } finally {
    timeout.mockRestore();
  }
});
