import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { setSpendCap } from '../../src/db/scheduler/pools.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

const priceUsdMicros = 500_000;
let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

/** What the budget says, and what the ledger can account for. */
async function books(): Promise<{ committed: number; accounted: number }> {
  return await bench.row(
    `SELECT (SELECT committed_usd_micros FROM budgets)::float8 AS committed,
            ((SELECT coalesce(sum(price_usd_micros), 0) FROM permits)
             + (SELECT coalesce(sum(cost_usd_micros), 0) FROM attempts)
             + (SELECT coalesce(sum(usd_micros), 0) FROM refunds))::float8 AS accounted`,
  );
}

test('racing passes over two pools never commit more than the cap, and what is not used comes back', async () => {
  const pools = [await bench.addPool(), await bench.addPool()];
  await setSpendCap(bench.pool, 10 * priceUsdMicros + 1);
  for (const pool of pools) await bench.accept({ pool, count: 40 });
  const others = Array.from({ length: 4 }, () => connectAgain(bench));
  try {
    const granted = await Promise.all(others.map((pool) => bench.grant({ pool, startSlots: () => 3 })));
    let sum = granted.reduce((all, count) => all + count, 0);
    for (let idle = 0; idle < 3;) {
      const counts = await Promise.all(others.map((pool) => bench.grant({ pool, startSlots: () => 3 })));
      const more = counts.reduce((all, count) => all + count, 0);
      sum += more;
      idle = more === 0 ? idle + 1 : 0;
    }
    expect(sum).toBe(10);
  } finally {
    await Promise.all(others.map((pool) => pool.end()));
  }
  expect(await books()).toEqual({ committed: 10 * priceUsdMicros, accounted: 10 * priceUsdMicros });

  const permits = await bench.rows<{ job: string; grant: string }>('SELECT job, grant_id::text AS grant FROM permits');
  const [unused, failed, paid] = permits;
  if (!unused || !failed || !paid) throw new Error('too few permits');
  await requestCancel(bench.pool, { id: unused.job, tenant: 'default' });
  for (const { job, grant } of [failed, paid]) await beginAttempt(bench.pool, beginOrder(job, grant));
  const end = { attempt: 1, evidence: 'check' } as const;
  await endAttempt(bench.pool, { jobId: failed.job, ...end, outcome: 'failed', failure: failureOf('provider_failed') });
  await endAttempt(bench.pool, { jobId: paid.job, ...end, outcome: 'finished', videoUrl: 'https://example.com/v.mp4' });
  // The one that was never sent and the one that failed cost nothing; the one that finished stays spent.
  expect(await bench.grant()).toBe(2);
  expect(await bench.grant()).toBe(0);
  const { committed, accounted } = await books();
  expect(committed).toBe(10 * priceUsdMicros);
  expect(accounted).toBe(committed);
});

test('cancels in the middle of passes leave the books right', async () => {
  const pool = await bench.addPool();
  await setSpendCap(bench.pool, null);
  await setSpendCap(bench.pool, 1_000 * priceUsdMicros);
  const jobs = await bench.accept({ pool, count: 300 });
  const unwanted = jobs.filter((_, index) => index % 2 === 0);
  const others = [connectAgain(bench), connectAgain(bench)];
  try {
    await Promise.all([
      ...others.map(async (connections) => {
        while ((await bench.count('tickets')) > 0) await bench.grant({ pool: connections });
      }),
      ...unwanted.map((id) => requestCancel(bench.pool, { id, tenant: 'default' })),
    ]);
  } finally {
    await Promise.all(others.map((connections) => connections.end()));
  }
  const { committed, accounted } = await books();
  expect(committed).toBe(accounted);
});

test('a job without a price waits while there is a cap, and every job goes where there is none', async () => {
  const pool = await bench.addPool();
  const job = await bench.acceptOne({ pool, target: { priceUsdMicros: null } });
  await bench.grant();
  expect(await bench.count('tickets', job)).toBe(1);
  await setSpendCap(bench.pool, null);
  await bench.grant();
  expect(await bench.count('tickets', job)).toBe(0);
  // Nobody counts without a cap.
  await settleJob(bench.pool, job, { phase: 'cancelled' });
  expect(await bench.count('refunds')).toBe(0);
});
