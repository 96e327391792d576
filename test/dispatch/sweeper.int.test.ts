import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { beginAsset, failAsset } from '../../src/db/jobs/assets.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { sweep } from '../../src/dispatch/sweeper.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query('DELETE FROM mailbox; DELETE FROM tickets; DELETE FROM permits');
});

/** A begun job, its run deadline that long ago. */
async function overrunBy(seconds: number): Promise<string> {
  const job = await bench.acceptOne({ pool: await bench.addPool() });
  await bench.grant();
  const { grant } = await bench.row<{ grant: string }>(
    'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
    job,
  );
  await beginAttempt(bench.pool, beginOrder(job, grant));
  await bench.pool.query(`UPDATE jobs SET run_deadline = clock_timestamp() - $2 * interval '1 second' WHERE id = $1`, [
    job,
    seconds,
  ]);
  await bench.pool.query('DELETE FROM mailbox WHERE job = $1', [job]);
  return job;
}

async function sweepOnce({ visibleMax = 0, pool = bench.pool } = {}): Promise<Record<string, number>> {
  const swept: Record<string, number> = {};
  const onSwept = (kind: string, count: number): void => void (swept[kind] = count);
  await sweep({ pool, stuckAfterMs: 60_000, visibleMax, onSwept });
  return swept;
}

/** Their deadline was a moment ago. */
async function makeOverdue(...jobs: readonly string[]): Promise<void> {
  const past = `clock_timestamp() - interval '1 second'`;
  await bench.pool.query(`UPDATE jobs SET queue_deadline = ${past} WHERE id = ANY($1)`, [jobs]);
  await bench.pool.query(`UPDATE tickets SET queue_deadline = ${past} WHERE job = ANY($1)`, [jobs]);
}

/** Accepted an hour ago, in their order. */
async function makeStuck(jobs: readonly string[]): Promise<void> {
  await bench.pool.query(`UPDATE tickets SET accepted_at = accepted_at - interval '1 hour' WHERE job = ANY($1)`, [
    jobs,
  ]);
}

const mailOf = (job: string) => bench.rows('SELECT kind, payload FROM mailbox WHERE job = $1', job);

describe('the queue deadline', () => {
  test('ends what waits, and nothing that has time left', async () => {
    const pool = await bench.addPool();
    const [late = '', patient = ''] = await bench.accept({ pool, count: 2 });
    await makeOverdue(late);
    expect(await sweepOnce()).toEqual({ queue_deadline: 1, run_deadline: 0, stuck: 0 });
    expect(await bench.row('SELECT phase, failure FROM jobs WHERE id = $1', late)).toMatchObject({
      phase: 'failed',
      failure: { code: 'queue_deadline' },
    });
    expect(await bench.count('tickets', late)).toBe(0);
    expect(await mailOf(late)).toEqual([]);
    expect(await bench.phaseOf(patient)).toBe('queued');
    expect(await sweepOnce()).toEqual({ queue_deadline: 0, run_deadline: 0, stuck: 0 });
  });

  test('tells the workflow of a job that was shown', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await bench.pool.query('UPDATE jobs SET dispatched_at = clock_timestamp() WHERE id = $1', [job]);
    await makeOverdue(job);
    await sweepOnce();
    expect(await bench.phaseOf(job)).toBe('failed');
    expect(await mailOf(job)).toEqual([{ kind: 'cancel', payload: {} }]);
  });

  test('ends a job that has its permit and never got to Temporal, and frees the permit', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await bench.grant();
    await makeOverdue(job);
    expect(await sweepOnce()).toMatchObject({ queue_deadline: 1 });
    expect(await bench.phaseOf(job)).toBe('failed');
    expect(await bench.count('permits', job)).toBe(0);
  });

  test('is nothing to a job that was begun', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await bench.grant();
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await makeOverdue(job);
    await bench.pool.query(
      `INSERT INTO tickets (job, attempt, tenant, pool, target, priority, kind, accepted_at, queue_deadline)
       SELECT id, 2, tenant, 'elsewhere', 0, priority, 'overlap', accepted_at, queue_deadline FROM jobs WHERE id = $1`,
      [job],
    );
    expect(await sweepOnce()).toMatchObject({ queue_deadline: 0 });
    expect(await bench.phaseOf(job)).toBe('in_progress');
    expect(await bench.count('tickets', job)).toBe(1);
  });

  test('of a job that the database refuses to end keeps no other one waiting, and is told of', async () => {
    const jobs = await bench.accept({ pool: await bench.addPool(), count: 5 });
    const [poisoned = '', ...others] = jobs;
    await makeOverdue(...jobs);
    await bench.pool.query(`UPDATE tickets SET queue_deadline = queue_deadline - interval '1 hour' WHERE job = $1`, [
      poisoned,
    ]);
    const begun = await overrunBy(61);
    await bench.pool.query(`ALTER TABLE job_events ADD CONSTRAINT poison CHECK (job <> '${poisoned}') NOT VALID`);
    try {
      await expect(sweepOnce()).rejects.toThrow(poisoned);
    } finally {
      await bench.pool.query('ALTER TABLE job_events DROP CONSTRAINT poison');
    }
    expect(await Promise.all([...others, begun].map((job) => bench.phaseOf(job)))).toEqual(Array(5).fill('failed'));
    expect(await bench.phaseOf(poisoned)).toBe('queued');
    expect(await sweepOnce()).toMatchObject({ queue_deadline: 1 });
  });

  test('of many ends a hundred a round, and another round follows at once', async () => {
    const jobs = await bench.accept({ pool: await bench.addPool(), count: 150 });
    await makeOverdue(...jobs);
    const deps = { pool: bench.pool, stuckAfterMs: 60_000, visibleMax: 0, onSwept: () => undefined };
    expect(await sweep(deps)).toBe('again');
    expect(await bench.count('tickets')).toBe(50);
    expect(await sweep(deps)).toBe('idle');
    expect(await bench.count('tickets')).toBe(0);
  });
});

describe('the run deadline', () => {
  test('ends what its workflow has not ended a minute later, and tells the workflow', async () => {
    const job = await overrunBy(61);
    expect(await sweepOnce()).toMatchObject({ run_deadline: 1 });
    expect(await bench.row('SELECT phase, failure FROM jobs WHERE id = $1', job)).toMatchObject({
      phase: 'failed',
      failure: { code: 'timed_out' },
    });
    expect(await mailOf(job)).toEqual([{ kind: 'cancel', payload: {} }]);
    // The vendor may still be at it.
    expect(await bench.row('SELECT zombie_since IS NOT NULL AS zombie FROM permits WHERE job = $1', job)).toEqual({
      zombie: true,
    });
    expect(await sweepOnce()).toMatchObject({ run_deadline: 0 });
  });

  test('is the workflow’s to keep until then', async () => {
    const job = await overrunBy(50);
    expect(await sweepOnce()).toMatchObject({ run_deadline: 0 });
    expect(await bench.phaseOf(job)).toBe('in_progress');
  });

  const finish = (job: string): Promise<unknown> =>
    endAttempt(bench.pool, { jobId: job, attempt: 1, evidence: 'check', outcome: 'finished', operation: `op-${job}` });
  const keepSeconds = limits.storeMsMax / 1_000;

  test('of a job whose video is there leaves it the time of a copy, and no more', async () => {
    const [early, late] = [await overrunBy(keepSeconds + 50), await overrunBy(keepSeconds + 61)];
    for (const job of [early, late]) await finish(job);
    expect(await sweepOnce()).toMatchObject({ run_deadline: 1 });
    expect([await bench.phaseOf(early), await bench.phaseOf(late)]).toEqual(['in_progress', 'failed']);
  });

  test('of a job whose video can not be kept is what it was', async () => {
    const job = await overrunBy(61);
    await finish(job);
    await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'assets/gone.mp4' });
    await failAsset(bench.pool, { jobId: job, attempt: 1, failure: failureOf('output_expired') });
    expect(await sweepOnce()).toMatchObject({ run_deadline: 1 });
    expect(await bench.phaseOf(job)).toBe('failed');
  });

  test('of a job whose other attempt has failed is what it was', async () => {
    const job = await overrunBy(61);
    const end = { jobId: job, attempt: 1, evidence: 'check', outcome: 'failed' } as const;
    await endAttempt(bench.pool, { ...end, failure: failureOf('provider_failed') });
    expect(await sweepOnce()).toMatchObject({ run_deadline: 1 });
  });
});

describe('jobs that wait long', () => {
  test('are shown oldest first, and never more than may be', async () => {
    const pool = await bench.addPool();
    const jobs = await bench.accept({ pool, count: 5 });
    await makeStuck(jobs);
    await bench.acceptOne({ pool });
    expect(await sweepOnce({ visibleMax: 2 })).toMatchObject({ stuck: 2 });
    const shown = await bench.rows<{ job: string }>(
      `SELECT job FROM mailbox WHERE kind = 'start' AND NOT payload ? 'grant' ORDER BY id`,
    );
    expect(shown.map(({ job }) => job).toSorted()).toEqual(jobs.slice(0, 2).toSorted());
    expect(await sweepOnce({ visibleMax: 2 })).toMatchObject({ stuck: 0 });
    // One of them gets its permit, so another may be seen.
    await bench.grant({ startSlots: () => 1 });
    expect(await sweepOnce({ visibleMax: 2 })).toMatchObject({ stuck: 1 });
    // Those that are young are not stuck, however many may be seen.
    expect(await sweepOnce({ visibleMax: 100 })).toMatchObject({ stuck: 2 });
    expect(await sweepOnce({ visibleMax: 100 })).toMatchObject({ stuck: 0 });
  });

  test('several sweepers at once show no more than one would', async () => {
    const jobs = await bench.accept({ pool: await bench.addPool(), count: 40 });
    await makeStuck(jobs);
    const others = Array.from({ length: 4 }, () => connectAgain(bench));
    try {
      for (let round = 0; round < 3; round += 1)
        await Promise.all(others.map((pool) => sweepOnce({ visibleMax: 5, pool })));
    } finally {
      await Promise.all(others.map((pool) => pool.end()));
    }
    expect(await bench.count('mailbox')).toBe(5);
  });

  test('and are shown already are not shown again, however long the line is', async () => {
    const jobs = await bench.accept({ pool: await bench.addPool(), count: 1_000 });
    await makeStuck(jobs);
    await sweepOnce({ visibleMax: 10 });
    await bench.pool.query('ANALYZE tickets; ANALYZE jobs');
    expect(await sweepOnce({ visibleMax: 10 })).toMatchObject({ stuck: 0 });
    const shown = await bench.row(
      `SELECT count(*)::int AS count FROM jobs JOIN tickets ON tickets.job = jobs.id WHERE dispatched_at IS NOT NULL`,
    );
    expect(shown).toEqual({ count: 10 });
  });
});

test('idempotency keys are forgotten after the days that we promise', async () => {
  const job = await bench.acceptOne({ pool: await bench.addPool() });
  await bench.pool.query(
    `INSERT INTO idempotency_keys (tenant, key, job, fingerprint, created_at)
     VALUES ('default', 'old', $1, '\\x00', now() - interval '31 days'), ('default', 'young', $1, '\\x00', now() - interval '29 days')`,
    [job],
  );
  await sweepOnce();
  expect(await bench.rows('SELECT key FROM idempotency_keys')).toEqual([{ key: 'young' }]);
});
