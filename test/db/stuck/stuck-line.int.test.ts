import { afterAll, beforeAll, expect, test } from 'vitest';
import { countStuckJobs } from '../../../src/db/stuck/stuck-counts.ts';
import { findBegun } from '../../../src/db/stuck/stuck-candidates.ts';
import { findStuckJobs } from '../../../src/db/stuck/stuck-jobs.ts';
import { createDispatchBench, type DispatchBench } from '../../dispatch/dispatch-bench.ts';
import { pagesOf } from '../../support/pages.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

const waitingJobs = 100_000;
const endedJobs = 30_000;
const liveJobs = 10_000;

/** Jobs as many as are wanted, of which `waits` an hour in line, and the others long over, each with its ledger row. */
async function fill(count: number, settings: { readonly pool: string; readonly waits: boolean }): Promise<void> {
  const { pool, waits } = settings;
  const source = await bench.acceptOne({ pool: await bench.addPool() });
  const batch = 10_000;
  for (let from = 0; from < count; from += batch)
    await bench.pool.query({
      text: `WITH source AS (SELECT * FROM jobs WHERE id = $3), made AS (
             INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline, accepted_at, phase, finished_at)
             SELECT 'video_' || substr(md5(n || $2), 1, 8) || '-' || substr(md5(n || $2), 9, 4) || '-7' || substr(md5(n || $2), 14, 3)
                      || '-8' || substr(md5(n || $2), 18, 3) || '-' || substr(md5(n || $2), 21, 12),
                    tenant, model, request, route, priority, now() + interval '1 day', now() - interval '1 hour',
                    CASE WHEN $4 THEN 'queued' ELSE 'failed' END, CASE WHEN NOT $4 THEN now() END
             FROM source CROSS JOIN generate_series($1::int + 1, $5::int) AS n
             RETURNING id, accepted_at, queue_deadline
           ), ended AS (
             INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, answered_at, ended_at, evidence, outcome)
             SELECT id, 1, 'default', $2, 0, 'vendor/model', 'vendor', id, 'refused', now(), now(), 'refusal', 'failed' FROM made WHERE NOT $4
           )
           INSERT INTO tickets (job, attempt, tenant, pool, target, target_name, priority, kind, accepted_at, queue_deadline)
           SELECT id, 1, 'default', $2, 0, 'vendor/model', 1, 'first', accepted_at, queue_deadline FROM made WHERE $4`,
      values: [from, pool, source, waits, from + batch],
    });
}

/** The attempts of so many jobs, as old as a minute and more, with which nothing is wrong. */
async function makeLive(count: number): Promise<void> {
  const pool = await bench.addPool();
  const source = await bench.acceptOne({ pool, target: { typicalMs: 300_000, patienceMs: 900_000 } });
  await bench.pool.query({
    text: `WITH source AS (SELECT * FROM jobs WHERE id = $3), made AS (
             INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline, run_deadline, accepted_at, dispatched_at, phase)
             SELECT 'video_' || substr(md5(n || $2), 1, 8) || '-' || substr(md5(n || $2), 9, 4) || '-7' || substr(md5(n || $2), 14, 3)
                      || '-8' || substr(md5(n || $2), 18, 3) || '-' || substr(md5(n || $2), 21, 12),
                    tenant, model, request, route, priority, now() + interval '1 day', now() + interval '1 hour',
                    now() - interval '1 hour', now(), 'in_progress'
             FROM source CROSS JOIN generate_series(1, $1::int) AS n
             RETURNING id
           )
           INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation, submitted_at, answered_at)
           SELECT id, 1, 'default', $2, 0, 'vendor/model', 'vendor', id, 'accepted', id,
                  now() - interval '100 seconds', now() - interval '90 seconds' FROM made`,
    values: [count, pool, source],
  });
}

test('a line of a hundred thousand, beside a long past, is not read as a whole', async () => {
  const pool = await bench.addPool();
  await fill(waitingJobs, { pool, waits: true });
  await fill(endedJobs, { pool: await bench.addPool(), waits: false });
  await makeLive(liveJobs);
  await bench.pool.query('ANALYZE jobs, tickets, attempts');
  const settings = { stuckAfterMs: 300_000 };

  const [capacity] = await countStuckJobs(bench.pool, settings);
  expect(capacity).toMatchObject({ cause: 'waiting_capacity', jobs: waitingJobs });
  expect(await findStuckJobs(bench.pool, { ...settings, cause: 'waiting_capacity', limit: 50 })).toHaveLength(50);
  const [job] = await findStuckJobs(bench.pool, { ...settings, limit: 1 });
  const begun = { count: liveJobs, ...settings };
  expect(await findBegun(bench.pool, begun)).toEqual([]);
  // Some pages for each job under way, next to none for the line and the past, and one job is found by its key.
  expect(await pagesOf(bench.pool, (db) => findBegun(db, begun))).toBeLessThan(6 * liveJobs);
  expect(await pagesOf(bench.pool, (db) => countStuckJobs(db, settings))).toBeLessThan(6 * liveJobs + waitingJobs / 10);
  const one = { ...settings, jobId: job?.jobId ?? '', limit: 1 };
  expect(await pagesOf(bench.pool, (db) => findStuckJobs(db, one))).toBeLessThan(100);
}, 300_000);
