import { v7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { noJobCaps } from '../../../src/api/accept/queue-caps.ts';
import { type ApiBench, completeJob, beginAttempt, openApiBench } from '../api-bench.ts';

let bench: ApiBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function statusesOf(api: ApiBench, bodies: readonly object[]): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (const body of bodies) statuses.push((await api.post({ prompt: 'a fox', model: 'wan-2.6', ...body })).status);
  return statuses;
}

test('as many jobs wait as may, and the next is told to come back', async () => {
  bench = await openApiBench({ queueCaps: { ...noJobCaps, queuedMax: 3 } });
  expect(await statusesOf(bench, [{}, {}, {}, {}])).toEqual([202, 202, 202, 429]);
  const refusal = await bench.post({ prompt: 'a fox', model: 'wan-2.6' });
  expect(refusal.headers.get('retry-after')).toBe('30');
  expect(refusal.headers.get('x-should-retry')).toBe('false');
  expect(await refusal.json()).toMatchObject({ status: 429, code: 'queue_full' });
  expect(await bench.count('jobs')).toBe(3);
});

test('one user fills up its own place and nobody else’s', async () => {
  bench = await openApiBench({ queueCaps: { ...noJobCaps, queuedPerUserMax: 2 } });
  const [ann, bob] = [{ user: 'ann' }, { user: 'bob' }];
  expect(await statusesOf(bench, [ann, ann, ann, bob, {}])).toEqual([202, 202, 429, 202, 202]);
});

test('a tenant’s own cap takes the place of what holds for all, and who has left makes room', async () => {
  let now = 1_000_000;
  bench = await openApiBench({ queueCaps: { ...noJobCaps, queuedMax: 100 }, clock: () => now });
  const { pool } = bench.database;
  await pool.query('UPDATE tenants SET queued_max = 1');
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
  await pool.query('DELETE FROM tickets');
  now += 10_000;
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
});

test('a replay is answered however many wait', async () => {
  bench = await openApiBench({ queueCaps: { ...noJobCaps, queuedMax: 1 } });
  const headers = { 'idempotency-key': 'once' };
  const first = await bench.post({ prompt: 'a fox', model: 'wan-2.6' }, headers);
  const again = await bench.post({ prompt: 'a fox', model: 'wan-2.6' }, headers);
  expect([first.status, again.status]).toEqual([202, 202]);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
});

test('whoever is refused after all, or replayed, takes nobody’s place', async () => {
  bench = await openApiBench({ queueCaps: { ...noJobCaps, queuedMax: 3 }, clock: () => 1_000_000 });
  const keyed = () => bench?.post({ prompt: 'a fox', model: 'wan-2.6' }, { 'idempotency-key': 'once' });
  expect([(await keyed())?.status, (await keyed())?.status, (await keyed())?.status]).toEqual([202, 202, 202]);
  const missing = { input_reference: `upload_${v7()}` };
  expect(await statusesOf(bench, [missing, missing, {}, {}, {}])).toEqual([422, 422, 202, 202, 429]);
  expect(await bench.count('jobs')).toBe(3);
});

test('jobs that wait and jobs under way count together, and one that has ended makes room', async () => {
  let now = 1_000_000;
  bench = await openApiBench({ queueCaps: { ...noJobCaps, outstandingMax: 2 }, clock: () => now });
  const first = await bench.post({ prompt: 'a fox', model: 'wan-2.6' });
  expect(first.headers.get('ratelimit-policy')).toBe('"outstanding";q=2;qu="concurrent-requests"');
  expect(first.headers.get('ratelimit')).toBe('"outstanding";r=1');
  const id = (first.headers.get('location') ?? '').slice('/v1/videos/'.length);
  await beginAttempt(bench, id, 'token');
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
  now += 10_000;
  const refusal = await bench.post({ prompt: 'a fox', model: 'wan-2.6' });
  expect(refusal.status).toBe(429);
  expect(refusal.headers.get('x-should-retry')).toBe('false');
  expect(await refusal.json()).toMatchObject({
    code: 'quota_exceeded',
    detail: expect.stringContaining('outstanding'),
  });
  await completeJob(bench, id);
  now += 10_000;
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
});

test('hundreds who come at once are counted once, and no more get in than may', async () => {
  bench = await openApiBench({ queueCaps: { ...noJobCaps, outstandingMax: 5, queuedMax: 100 } });
  const api = bench;
  const answers = await Promise.all(
    Array.from({ length: 200 }, async () => (await api.post({ prompt: 'a fox', model: 'wan-2.6' })).status),
  );
  expect(answers.filter((status) => status === 202)).toHaveLength(5);
  expect(answers.filter((status) => status === 429)).toHaveLength(195);
});
