import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../../src/db/pool.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import { createStuckPool, registerStuckMetrics } from '../../../src/main/metrics/stuck-metrics.ts';
import { createStuckBench, type StuckBench } from '../../db/stuck/stuck-bench.ts';

let bench: StuckBench;
beforeAll(async () => {
  bench = await createStuckBench();
});
afterAll(async () => {
  await bench.drop();
});

const log = pino({ level: 'silent' });
const stuckAfterMs = 300_000;

test('stuck jobs are counted by cause, anew after a while and not before', async () => {
  const registry = new Registry();
  let now = 0;
  registerStuckMetrics(registry, { db: bench.pool, log, stuckAfterMs, clock: () => now });
  const none = await registry.metrics();
  for (const cause of stuckCauses) expect(none).toContain(`spillway_stuck_jobs{cause="${cause}"} 0`);
  expect(none).not.toContain('spillway_stuck_oldest_seconds{');

  const jobs = await bench.accept({ pool: await bench.addPool(), count: 3 });
  for (const job of jobs) await bench.age(job);
  now = limits.stuckFreshMs - 1;
  expect(await registry.metrics()).toContain('spillway_stuck_jobs{cause="waiting_capacity"} 0');
  now = limits.stuckFreshMs;
  const some = await registry.metrics();
  expect(some).toContain('spillway_stuck_jobs{cause="waiting_capacity"} 3');
  expect(some).toContain('spillway_stuck_jobs{cause="no_credit"} 0');
  expect(some).toMatch(/spillway_stuck_oldest_seconds\{cause="waiting_capacity"\} 36\d\d/);

  await bench.clear();
  now *= 2;
  const gone = await registry.metrics();
  expect(gone).toContain('spillway_stuck_jobs{cause="waiting_capacity"} 0');
  expect(gone).not.toContain('spillway_stuck_oldest_seconds{');
});

test('a count that takes seconds is made on its one connection, and keeps nobody else waiting', async () => {
  const registry = new Registry();
  const onError = (): void => undefined;
  const db = createStuckPool({ url: bench.url, onError });
  const others = createPool({ url: bench.url, connectionsMax: 1, name: 'ops', onError });
  const holder = await bench.pool.connect();
  try {
    registerStuckMetrics(registry, { db, log, stuckAfterMs });
    // As long as a long line takes to be read: more than the second that other statements have.
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE');
    const scraped = registry.metrics();
    await holder.query('SELECT pg_sleep(1.6)');
    expect((await others.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await holder.query('COMMIT');
    expect(await scraped).toContain('spillway_stuck_jobs{cause="waiting_capacity"} 0');
  } finally {
    holder.release();
    await Promise.all([db.end(), others.end()]);
  }
});

test('while the database is away the scrape succeeds, without what nobody knows', async () => {
  const registry = new Registry();
  const away = createPool({
    url: 'postgres://127.0.0.1:1/none',
    connectionsMax: 1,
    name: 'away',
    onError: () => undefined,
  });
  registerStuckMetrics(registry, { db: away, log, stuckAfterMs });
  expect(await registry.metrics()).not.toContain('cause=');
  await away.end();
});
