import { afterAll, beforeAll, expect, test } from 'vitest';
import type pg from 'pg';
import { requestCancel } from '../../src/db/cancel.ts';
import { settleJob } from '../../src/db/settle.ts';
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
      const jobs = await bench.accept({ pool, count: 100 });
      accepted.push(...jobs);
      const unwanted = jobs.filter((_, index) => index % 5 === 0);
      await Promise.all(unwanted.map((id) => requestCancel(bench.pool, { id, tenant: 'default' })));
    }
    isAccepting = false;
  };
  const granted = { count: 0 };
  const dispatch = async (connections: pg.Pool) => {
    while (await left()) {
      const count = await bench.grant({ pool: connections });
      granted.count += count;
    }
  };
  /** Ends what was granted, and cancels a few that wait at the very head, where the dispatchers are. */
  const finish = async () => {
    while (await left()) {
      const { rows: held } = await finisher.query<{ job: string }>('SELECT job FROM permits LIMIT 60');
      const verdict = { phase: 'failed', failure: failureOf('provider_failed') } as const;
      for (const { job } of held) await settleJob(finisher, job, verdict);
      const { rows: heads } = await finisher.query<{ job: string }>(
        'SELECT job FROM tickets ORDER BY accepted_at, id LIMIT 5',
      );
      await Promise.all(heads.map(({ job: id }) => requestCancel(finisher, { id, tenant: 'default' })));
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
  expect(ends).toEqual({ granted: granted.count, dropped: ticketsInAll - granted.count, other: 0 });
  expect(granted.count).toBeGreaterThan(1_000);
  expect(await bench.count('tickets')).toBe(0);
  expect(await bench.count('permits')).toBe(0);
}, 120_000);
