import { expect, test } from 'vitest';
import { createRequestQuota } from '../../../src/api/load/request-quota.ts';
import type { RequestLease, RequestLeaseWish } from '../../../src/db/tenants/rates.ts';

/** The row that all processes share, in a few lines: so many in all, and none comes back. */
function openShared(total: number) {
  const wishes: RequestLeaseWish[] = [];
  let left = total;
  const lease = async (wish: RequestLeaseWish): Promise<RequestLease> => {
    wishes.push(wish);
    const granted = Math.min(wish.wanted, left);
    left -= granted;
    return { granted, remaining: left, waitMs: granted > 0 ? 0 : 5_000 };
  };
  return { lease, wishes };
}

async function takeMany(quota: ReturnType<typeof createRequestQuota>, count: number, perMinute: number) {
  return await Promise.all(Array.from({ length: count }, async () => await quota.take('acme', perMinute)));
}

test('a thousand requests at once cost a few leases, and no more get in than may', async () => {
  const shared = openShared(600);
  const quota = createRequestQuota({ lease: shared.lease, clock: () => 0 });
  const standings = await takeMany(quota, 1_000, 600);
  expect(standings.filter(({ isAllowed }) => isAllowed)).toHaveLength(600);
  expect(shared.wishes.length).toBeLessThan(10);
});

test('processes share what there is', async () => {
  const shared = openShared(60);
  const quotas = [1, 2, 3].map(() => createRequestQuota({ lease: shared.lease, clock: () => 0 }));
  const standings = await Promise.all(quotas.map((quota) => takeMany(quota, 60, 60)));
  expect(standings.flat().filter(({ isAllowed }) => isAllowed)).toHaveLength(60);
});

test('whoever is refused is told when to come, and until then nobody asks the database', async () => {
  let now = 0;
  const shared = openShared(1);
  const quota = createRequestQuota({ lease: shared.lease, clock: () => now });
  expect(await quota.take('acme', 60)).toMatchObject({ isAllowed: true });
  expect(await quota.take('acme', 60)).toEqual({ isAllowed: false, perMinute: 60, remaining: 0, waitMs: 5_000 });
  now = 4_000;
  expect(await quota.take('acme', 60)).toMatchObject({ isAllowed: false, waitMs: 1_000 });
  expect(shared.wishes).toHaveLength(2);
});

test('while a lease lasts a request is let in at once, without a promise', async () => {
  const quota = createRequestQuota({ lease: openShared(6_000).lease, clock: () => 0 });
  await quota.take('acme', 6_000);
  expect(quota.take('acme', 6_000)).toMatchObject({ isAllowed: true, perMinute: 6_000, remaining: 5_998 });
});

test('a database that is silent lets each process in by itself, at the pace of the limit', async () => {
  let now = 0;
  const lease = async (): Promise<RequestLease> => await Promise.reject(new Error('gone'));
  const quota = createRequestQuota({ lease, clock: () => now });
  const first = await takeMany(quota, 15, 600);
  expect(first.filter(({ isAllowed }) => isAllowed)).toHaveLength(10);
  now = 1_100;
  expect(await quota.take('acme', 600)).toMatchObject({ isAllowed: true });
});

test('a limit that an operator has changed holds from the next request on', async () => {
  const shared = openShared(100);
  const quota = createRequestQuota({ lease: shared.lease, clock: () => 0 });
  await quota.take('acme', 600);
  expect(await quota.take('acme', 60)).toMatchObject({ perMinute: 60 });
  expect(shared.wishes.map(({ perMinute }) => perMinute)).toEqual([600, 60]);
});
