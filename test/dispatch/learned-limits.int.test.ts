import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { beginPass, readHoldings } from '../../src/db/scheduler/grants.ts';
import { inTransaction } from '../../src/db/pool.ts';
import { type Failure, failureOf } from '../../src/domain/failure.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

/** The account refuses these for load, as the submit activity notes it. */
async function refuse(jobs: readonly string[], detail: Partial<Failure> = {}): Promise<void> {
  for (const jobId of jobs) {
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      jobId,
    );
    await beginAttempt(bench.pool, beginOrder(jobId, grant));
    const failure = failureOf('rate_limited', detail);
    await endAttempt(bench.pool, { jobId, attempt: 1, evidence: 'refusal', outcome: 'failed', failure });
  }
}

const workingMaxOf = (pool: string) =>
  bench.row('SELECT working_max AS "workingMax", outstanding_max AS "outstandingMax" FROM pools WHERE id = $1', pool);

test('a refusal for load lowers the limit for everybody, once, and the operator keeps his figure', async () => {
  const pool = await bench.addPool({ outstandingMax: 40 });
  const jobs = await bench.accept({ pool, count: 60 });
  expect(await bench.grant()).toBe(40);
  await refuse(jobs.slice(10, 40), { limit: 'outstanding' });
  const other = connectAgain(bench);
  try {
    // Ten are at the account: half of what was thought is tried next, less a third. Another process knows it by the row.
    expect(await bench.grant({ pool: other })).toBe(4);
    expect(await workingMaxOf(pool)).toEqual({ workingMax: 14, outstandingMax: 40 });
    expect(await bench.grant()).toBe(0);
    expect(await workingMaxOf(pool)).toEqual({ workingMax: 14, outstandingMax: 40 });
    expect(await bench.count('throttles')).toBe(0);
  } finally {
    await other.end();
  }
});

test('while the account wants us away, nobody is granted there; other accounts go on', async () => {
  const pool = await bench.addPool();
  const neighbour = await bench.addPool();
  const [first = ''] = await bench.accept({ pool, count: 3 });
  expect(await bench.grant({ startSlots: () => 1 })).toBe(1);
  await refuse([first], { limit: 'outstanding', retryAfterMs: 60_000 });
  await bench.accept({ pool: neighbour, count: 2 });
  expect(await bench.grant()).toBe(2);
  expect(await bench.permitted(pool)).toEqual([]);
  expect(await bench.row('SELECT wait_reason AS reason FROM targets WHERE pool = $1', pool)).toEqual({
    reason: 'paused',
  });
  await bench.pool.query(`UPDATE pools SET learned = '{}' WHERE id = $1`, [pool]);
  expect(await bench.grant()).toBe(2);
});

test('a refusal counts the starts of the last minute by index, whatever the history', async () => {
  const pool = await bench.addPool({ outstandingMax: 1_000 });
  const [job = ''] = await bench.accept({ pool, count: 1 });
  await bench.grant();
  await refuse([job], { limit: 'rate' });
  await bench.pool.query(
    `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation, submitted_at,
                           answered_at, ended_at, evidence, outcome)
     SELECT $1, n, 'default', $2, 0, 'vendor/model', 'vendor', 't', 'accepted', 'old-' || n, now() - interval '1 hour',
            now() - interval '1 hour', now() - interval '1 hour', 'callback', 'finished'
     FROM generate_series(2, 20000) AS n`,
    [job, pool],
  );
  await inTransaction(
    bench.pool,
    async (connection) => {
      const before = await connection.query<{ read: string }>(readAttemptsSql);
      expect((await readHoldings(connection, pool)).startedLately).toBe(0);
      const after = await connection.query<{ read: string }>(readAttemptsSql);
      expect(Number(after.rows[0]?.read) - Number(before.rows[0]?.read)).toBeLessThan(100);
    },
    beginPass,
  );
});

/** Rows of the ledger that this transaction has looked at. */
const readAttemptsSql = `SELECT pg_stat_get_xact_tuples_fetched(c.oid) + pg_stat_get_xact_tuples_returned(c.oid)
    + (SELECT coalesce(sum(pg_stat_get_xact_tuples_fetched(i.indexrelid) + pg_stat_get_xact_tuples_returned(i.indexrelid)), 0)
       FROM pg_index i WHERE i.indrelid = c.oid) AS read
  FROM pg_class c WHERE c.oid = 'attempts'::regclass`;

test('a refusal of another kind teaches nothing of limits', async () => {
  const pool = await bench.addPool({ outstandingMax: 10 });
  const jobs = await bench.accept({ pool, count: 10 });
  expect(await bench.grant()).toBe(10);
  for (const jobId of jobs) {
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      jobId,
    );
    await beginAttempt(bench.pool, beginOrder(jobId, grant));
    const failure = failureOf('moderation');
    await endAttempt(bench.pool, { jobId, attempt: 1, evidence: 'refusal', outcome: 'failed', failure });
  }
  await bench.acceptOne({ pool });
  expect(await bench.grant()).toBe(1);
  expect(await workingMaxOf(pool)).toEqual({ workingMax: 10, outstandingMax: 10 });
});
