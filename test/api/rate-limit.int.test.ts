import { afterEach, expect, test } from 'vitest';
import { leaseRequests } from '../../src/db/tenants/rates.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

let bench: ApiBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

test('every answer says what is left of the minute, and the one too many when to come', async () => {
  bench = await openApiBench({ requestsPerMinute: 3 });
  const answers = [];
  for (let count = 0; count < 4; count += 1) answers.push(await bench.get('/v1/models'));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  expect(answers.map(({ headers }) => headers.get('ratelimit-policy'))).toEqual(Array(4).fill('"requests";q=3;w=60'));
  const left = answers.map(({ headers }) => /^"requests";r=(\d);t=(\d+)$/.exec(headers.get('ratelimit') ?? '')?.[1]);
  expect(left).toEqual(['2', '1', '0', '0']);
  const refusal = answers.at(-1);
  const retryAfter = Number(refusal?.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThanOrEqual(1);
  expect(retryAfter).toBeLessThanOrEqual(20);
  expect(await refusal?.json()).toMatchObject({ status: 429, code: 'quota_exceeded' });
});

test('without a limit there is no such field', async () => {
  bench = await openApiBench();
  const { headers } = await bench.get('/v1/models');
  expect(headers.get('ratelimit')).toBeNull();
  expect(headers.get('ratelimit-policy')).toBeNull();
});

test('a refusal does not use up an idempotency key', async () => {
  bench = await openApiBench({ requestsPerMinute: 1 });
  await bench.get('/v1/models');
  const refusal = await bench.post({ prompt: 'a fox', model: 'wan-2.6' }, { 'idempotency-key': 'once' });
  expect(refusal.status).toBe(429);
  expect(await bench.count('idempotency_keys')).toBe(0);
});

test('the shared row gives a minute’s worth at once, then one at a time, and is exact under a crowd', async () => {
  bench = await openApiBench();
  const { pool } = bench.database;
  const crowd = await Promise.all(
    Array.from({ length: 30 }, () => leaseRequests(pool, { tenant: 'acme', wanted: 7, perMinute: 100 })),
  );
  expect(crowd.reduce((sum, { granted }) => sum + granted, 0)).toBe(100);
  const empty = crowd.filter(({ granted }) => granted === 0);
  for (const { remaining, waitMs } of empty) {
    expect(remaining).toBe(0);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(600);
  }
  // Half a minute later half of it is there again.
  await pool.query(`UPDATE request_rates SET full_at = full_at - interval '30 seconds'`);
  const { granted, remaining } = await leaseRequests(pool, { tenant: 'acme', wanted: 10, perMinute: 100 });
  expect(granted).toBe(10);
  expect(remaining).toBeGreaterThanOrEqual(40);
  expect(remaining).toBeLessThanOrEqual(45);
});

test('a clock that was set back locks nobody out for longer than a minute', async () => {
  bench = await openApiBench();
  const { pool } = bench.database;
  await leaseRequests(pool, { tenant: 'acme', wanted: 1, perMinute: 60 });
  await pool.query(`UPDATE request_rates SET full_at = now() + interval '10 years'`);
  const { granted, waitMs } = await leaseRequests(pool, { tenant: 'acme', wanted: 1, perMinute: 60 });
  expect(granted).toBe(0);
  expect(waitMs).toBeLessThanOrEqual(1_000);
});
