import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { createPool } from '../../../src/db/pool.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { registerCapacityMetrics } from '../../../src/main/metrics/capacity-metrics.ts';
import { beginOrder } from '../../db/ledger/ledger-bench.ts';
import { createDispatchBench, type DispatchBench } from '../../dispatch/dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

test('limits, permits, zombies and the line are shown per pool', async () => {
  const pool = await bench.addPool({ outstandingMax: 3 });
  const [first = ''] = await bench.accept({ pool, count: 7 });
  expect(await bench.grant()).toBe(3);
  const { grant } = await bench.row<{ grant: string }>(
    'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
    first,
  );
  await beginAttempt(bench.pool, beginOrder(first, grant));
  await settleJob(bench.pool, first, { phase: 'cancelled' });
  await bench.pool.query('UPDATE pools SET working_max = 2 WHERE id = $1', [pool]);

  const registry = new Registry();
  registerCapacityMetrics(registry, bench.pool, pino({ level: 'silent' }));
  const text = await registry.metrics();
  expect(text).toContain(`spillway_pool_limit{pool="${pool}",state="configured"} 3`);
  expect(text).toContain(`spillway_pool_limit{pool="${pool}",state="working"} 2`);
  expect(text).toContain(`spillway_pool_permits{pool="${pool}",state="live"} 2`);
  expect(text).toContain(`spillway_pool_permits{pool="${pool}",state="zombie"} 1`);
  expect(text).toMatch(new RegExp(`spillway_pool_waiting_jobs\\{pool="${pool}"\\} [47]\\n`));
  expect(text).toMatch(new RegExp(`spillway_pool_next_wait_seconds\\{pool="${pool}"\\} 0\\.\\d+`));
});

test('the oldest letter that is due says how far delivery is behind, one for later does not', async () => {
  const [job = ''] = await bench.accept({ pool: await bench.addPool({ outstandingMax: 1 }), count: 1 });
  await bench.pool.query('DELETE FROM mailbox');
  const lag = async (): Promise<number> => {
    const registry = new Registry();
    registerCapacityMetrics(registry, bench.pool, pino({ level: 'silent' }));
    return Number(/^spillway_mail_lag_seconds (\S+)/m.exec(await registry.metrics())?.[1]);
  };
  expect(await lag()).toBe(0);

  const post = (kind: string, times: string) =>
    bench.pool.query(`INSERT INTO mailbox (job, kind, created_at, not_before) SELECT $1, $2, ${times}`, [job, kind]);
  await post('start', `now() - interval '90 s', now() + interval '90 s'`);
  expect(await lag()).toBe(0);
  await post('permit', `now() - interval '90 s', now() - interval '60 s'`);
  expect(await lag()).toBeGreaterThanOrEqual(60);
  await post('cancel', `now() - interval '300 s', '-infinity'`);
  expect(await lag()).toBeGreaterThanOrEqual(300);
});

test('while the database is away the scrape succeeds, without what nobody knows', async () => {
  const registry = new Registry();
  const away = createPool({
    url: 'postgres://127.0.0.1:1/none',
    connectionsMax: 1,
    name: 'away',
    onError: () => undefined,
  });
  registerCapacityMetrics(registry, away, pino({ level: 'silent' }));
  expect(await registry.metrics()).not.toContain('pool=');
  await away.end();
});
