import { afterEach, expect, test } from 'vitest';
import { type ApiBench, openApiBench } from './api-bench.ts';

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
  bench = await openApiBench({ queueCaps: { queuedMax: 3, queuedPerUserMax: null } });
  expect(await statusesOf(bench, [{}, {}, {}, {}])).toEqual([202, 202, 202, 429]);
  const refusal = await bench.post({ prompt: 'a fox', model: 'wan-2.6' });
  expect(refusal.headers.get('retry-after')).toBe('30');
  expect(await refusal.json()).toMatchObject({ status: 429, code: 'queue_full' });
  expect(await bench.count('jobs')).toBe(3);
});

test('one user fills up its own place and nobody else’s', async () => {
  bench = await openApiBench({ queueCaps: { queuedMax: null, queuedPerUserMax: 2 } });
  const [ann, bob] = [{ user: 'ann' }, { user: 'bob' }];
  expect(await statusesOf(bench, [ann, ann, ann, bob, {}])).toEqual([202, 202, 429, 202, 202]);
});

test('a tenant’s own cap takes the place of what holds for all, and who has left makes room', async () => {
  let now = 1_000_000;
  bench = await openApiBench({ queueCaps: { queuedMax: 100, queuedPerUserMax: null }, clock: () => now });
  const { pool } = bench.database;
  await pool.query('UPDATE tenants SET queued_max = 1');
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
  await pool.query('DELETE FROM tickets');
  now += 1_000;
  expect(await statusesOf(bench, [{}, {}])).toEqual([202, 429]);
});

test('a replay is answered however many wait', async () => {
  bench = await openApiBench({ queueCaps: { queuedMax: 1, queuedPerUserMax: null } });
  const headers = { 'idempotency-key': 'once' };
  const first = await bench.post({ prompt: 'a fox', model: 'wan-2.6' }, headers);
  const again = await bench.post({ prompt: 'a fox', model: 'wan-2.6' }, headers);
  expect([first.status, again.status]).toEqual([202, 202]);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
});
