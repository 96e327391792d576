import { afterAll, beforeAll, expect, test } from 'vitest';
import type pg from 'pg';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

const outstandingMax = 120;
const ticketsInAll = 5_000;
const dispatchers = 4;

let bench: DispatchBench;
let others: readonly pg.Pool[] = [];
beforeAll(async () => {
  bench = await createDispatchBench();
  others = Array.from({ length: dispatchers + 2 }, () => connectAgain(bench));
});
afterAll(async () => {
  await Promise.all(others.map((connections) => connections.end()));
  await bench.drop();
});

const priorities = ['high', 'normal', 'low'] as const;
const targets = ['vendor/model', 'vendor/other'];

/** Of several tenants, users, classes and targets: a batch each, so that every flow has a few. */
function wishOf(pool: string, batch: number) {
  const user = `user${batch % 7}`;
  const name = targets[batch % targets.length] ?? '';
  return { pool, tenant: `tenant${batch % 3}`, user, priority: priorities[batch % 3] ?? 'low', target: { name } };
}

/** Every error counts: a deadlock would be one. */
test('accepts, cancels and four dispatchers at once: none lost, none stranded, never above the limit', async () => {
  const pool = await bench.addPool({ outstandingMax });
  const [sampler, finisher, ...dispatching] = others;
  if (!sampler || !finisher) throw new Error('no connections');
  const accepted: string[] = [];
  let isAccepting = true;
  const left = async () => isAccepting || (await bench.count('tickets')) + (await bench.count('permits')) > 0;

  const accept = async () => {
    for (let batch = 0; batch < ticketsInAll / 100; batch += 1) {
      const wish = wishOf(pool, batch);
      const jobs = await bench.accept({ ...wish, count: 100 });
      accepted.push(...jobs);
      const unwanted = jobs.filter((_, index) => index % 5 === 0);
      await Promise.all(unwanted.map((id) => requestCancel(bench.pool, { id, tenant: wish.tenant })));
    }
    isAccepting = false;
  };
  const granted = { count: 0 };
  let retried = 0;
  const dispatch = async (connections: pg.Pool) => {
    while (await left()) {
      const count = await bench.grant({ pool: connections });
      granted.count += count;
    }
  };
  /** Its first attempt has failed: another one is to follow, of every other job in a moment. */
  const comeBack = async (job: string, index: number) => {
    await finisher.query('DELETE FROM permits WHERE job = $1', [job]);
    const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
    expect(await queueAttempt(finisher, { jobId: job, ticket, waitMs: index % 8 })).toBe('queued');
    retried += 1;
  };
  /** Ends what was granted, and cancels a few that wait at the very head, where the dispatchers are. */
  const finish = async () => {
    while (await left()) {
      const { rows: held } = await finisher.query<{ job: string; attempt: number }>(
        'SELECT job, attempt FROM permits LIMIT 60',
      );
      const verdict = { phase: 'failed', failure: failureOf('provider_failed') } as const;
      for (const [index, { job, attempt }] of held.entries())
        if (index % 4 > 0 || attempt > 1) await settleJob(finisher, job, verdict);
        else await comeBack(job, index);
      const { rows: heads } = await finisher.query<{ id: string; tenant: string }>(
        'SELECT job AS id, tenant FROM tickets ORDER BY accepted_at, id LIMIT 5',
      );
      await Promise.all(heads.map((head) => requestCancel(finisher, head)));
    }
  };
  const seen = { most: 0, samples: 0 };
  const sample = async () => {
    while (await left()) {
      const { rows } = await sampler.query<{ held: number }>(
        'SELECT count(*)::int AS held FROM permits WHERE pool = $1',
        [pool],
      );
      seen.most = Math.max(seen.most, rows[0]?.held ?? 0);
      seen.samples += 1;
    }
  };
  await Promise.all([accept(), sample(), finish(), ...dispatching.map(dispatch)]);

  expect(seen.samples).toBeGreaterThan(50);
  expect(seen.most).toBeLessThanOrEqual(outstandingMax);
  expect(accepted).toHaveLength(ticketsInAll);
  const [ends] = await bench.rows<{ granted: number; dropped: number; other: number }>(
    `SELECT count(*) FILTER (WHERE dispatched_at IS NOT NULL)::int AS granted,
            count(*) FILTER (WHERE dispatched_at IS NULL AND phase = 'cancelled')::int AS dropped,
            count(*) FILTER (WHERE finished_at IS NULL OR (dispatched_at IS NULL AND phase <> 'cancelled'))::int AS other
     FROM jobs`,
  );
  const dispatched = ends?.granted ?? 0;
  expect(ends).toEqual({ granted: dispatched, dropped: ticketsInAll - dispatched, other: 0 });
  // A retry that was cancelled in line, or whose job was, had one grant and not two.
  expect(granted.count).toBeGreaterThanOrEqual(dispatched);
  expect(granted.count).toBeLessThanOrEqual(dispatched + retried);
  expect(dispatched).toBeGreaterThan(1_000);
  expect(retried).toBeGreaterThan(100);
  expect(await bench.count('tickets')).toBe(0);
  expect(await bench.count('permits')).toBe(0);
  // The last passes fold what the last ones who left have left.
  await bench.accept({ ...wishOf(pool, 0), count: 1 });
  while ((await bench.count('arrivals')) > 0 || (await bench.count('tickets')) > 0) await bench.grant();
  expect(await bench.rows('SELECT * FROM flows WHERE active OR waiting <> 0')).toEqual([]);
}, 120_000);
