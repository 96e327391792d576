import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { beginDatabaseWait } from '../../src/api/database-wait.ts';
import { limits } from '../../src/domain/limits/limits.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const sleep = (ms: number) => new Promise<string>((resolve) => setTimeout(() => resolve('done'), ms));

test('all statements of a request share one wait', async () => {
  const wait = beginDatabaseWait();
  const first = wait.answered(sleep(limits.databaseWaitMsMax - 500));
  await vi.advanceTimersByTimeAsync(limits.databaseWaitMsMax - 500);
  expect(await first).toBe('done');
  expect(wait.leftMs()).toBe(500);

  const second = Promise.allSettled([wait.answered(sleep(1_000))]);
  await vi.advanceTimersByTimeAsync(500);
  expect(await second).toMatchObject([{ status: 'rejected', reason: { kind: 'database_unavailable' } }]);
  expect(wait.leftMs()).toBe(0);
});

test('every request has a wait of its own', async () => {
  const earlier = beginDatabaseWait();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(beginDatabaseWait().leftMs() - earlier.leftMs()).toBe(1_000);
});

test('work for the object store has its own time, also when it fails', async () => {
  const wait = beginDatabaseWait();
  const read = wait.besides(sleep(5_000));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await read).toBe('done');
  expect(wait.leftMs()).toBe(limits.databaseWaitMsMax);
  const failed = Promise.allSettled([wait.besides(sleep(1_000).then(() => Promise.reject(new Error('EIO'))))]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await failed).toMatchObject([{ reason: { message: 'EIO' } }]);
  expect(wait.leftMs()).toBe(limits.databaseWaitMsMax);
});
