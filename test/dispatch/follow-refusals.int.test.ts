import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { showStuckJobs } from '../../src/db/stuck/shown-jobs.ts';
import { restartWorkflow } from '../../src/db/ledger/reconcile.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { followRefusals } from '../../src/dispatch/follow-refusals.ts';
import { type FailureCode, failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { createStuckBench, type StuckBench } from '../db/stuck/stuck-bench.ts';

let bench: StuckBench;
beforeAll(async () => {
  bench = await createStuckBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.clear();
});

const settings = { stuckAfterMs: 60_000, visibleMax: 2 };

async function follow(visibleMax = settings.visibleMax): Promise<number> {
  let shown = 0;
  const onShown = (count: number): void => void (shown = count);
  expect(await followRefusals({ pool: bench.pool, ...settings, visibleMax, onShown })).toBe(true);
  return shown;
}

const mail = async (): Promise<readonly { job: string; kind: string; payload: object }[]> =>
  await bench.rows('SELECT job, kind, payload FROM mailbox ORDER BY id');
const deliver = async () => await bench.pool.query('DELETE FROM mailbox');

/** A pool whose provider refuses everybody with that. */
async function refusingPool(code: FailureCode): Promise<string> {
  const job = await bench.begin();
  await bench.refuse(job, code);
  const { pool } = await bench.row<{ pool: string }>('SELECT pool FROM attempts WHERE job = $1', job);
  await settleJob(bench.pool, job, { phase: 'failed', failure: failureOf(code) });
  await deliver();
  await setReason(pool, 'breaker');
  return pool;
}

const setReason = async (pool: string, reason: string) =>
  await bench.pool.query('UPDATE targets SET wait_reason = $2 WHERE pool = $1', [pool, reason]);

async function waitIn(pool: string, count: number, seconds = 600): Promise<readonly string[]> {
  const jobs = await bench.accept({ pool, count });
  for (const [index, job] of jobs.entries()) await bench.age(job, seconds - index);
  return jobs;
}

describe('a line whose provider refuses everybody', () => {
  test('is seen, though the older ones of another line take every place', async () => {
    const pool = await refusingPool('no_credit');
    const crowd = await waitIn(await bench.addPool(), 5, 6_000);
    const [first = '', second = ''] = await waitIn(pool, 2);
    expect(await showStuckJobs(bench.pool, settings)).toBe(2);
    expect((await mail()).map(({ job }) => job).toSorted()).toEqual(crowd.slice(0, 2).toSorted());
    await deliver();

    expect(await follow()).toBe(2);
    const told = await mail();
    expect(told.map(({ job }) => job).toSorted()).toEqual([first, second].toSorted());
    for (const { kind, payload } of told) {
      expect(kind).toBe('start');
      expect(payload).toEqual({ waitingSince: expect.any(Number), refusal: 'no_credit' });
    }
    await deliver();
    expect(await follow()).toBe(0);
    expect(await mail()).toEqual([]);
  });

  test('shows a few, however many wait', async () => {
    const pool = await refusingPool('auth');
    await waitIn(pool, limits.shownOfRefusingMax + 5);
    expect(await follow(0)).toBe(limits.shownOfRefusingMax);
    expect(await follow(0)).toBe(0);
  });
});

test('who was sent on before it is shown starts where it waits', async () => {
  const [job = ''] = await waitIn(await bench.addPool(), 1);
  await bench.pool.query('UPDATE tickets SET target = 1 WHERE job = $1', [job]);
  expect(await showStuckJobs(bench.pool, settings)).toBe(1);
  const start = { waitingSince: expect.any(Number), target: 1 };
  expect(await mail()).toEqual([{ job, kind: 'start', payload: start }]);
  await deliver();
  // Also where its workflow is lost, and begins anew.
  await restartWorkflow(bench.pool, job);
  expect(await mail()).toEqual([{ job, kind: 'start', payload: { target: 1 } }]);
});

describe('who is seen already', () => {
  test('is told once that the provider refuses, and once that it does not any more', async () => {
    const pool = await refusingPool('no_credit');
    await setReason(pool, 'pool_capacity');
    const [job = ''] = await waitIn(pool, 1);
    expect(await showStuckJobs(bench.pool, settings)).toBe(1);
    expect(await mail()).toMatchObject([{ kind: 'start', payload: { waitingSince: expect.any(Number) } }]);
    await deliver();
    await follow();
    expect(await mail()).toEqual([]);

    await setReason(pool, 'breaker');
    await follow();
    await follow();
    expect(await mail()).toEqual([{ job, kind: 'repair', payload: { refusal: 'no_credit' } }]);
    // Meanwhile it changes, and the first message is still on its way.
    await setReason(pool, 'pool_capacity');
    await follow();
    expect(await mail()).toHaveLength(1);
    await deliver();
    await follow();
    expect(await mail()).toEqual([{ job, kind: 'repair', payload: { refusal: null } }]);
    await deliver();
    await follow();
    expect(await mail()).toEqual([]);
  });

  test('is told of it also where it waits for a further attempt', async () => {
    const pool = await refusingPool('no_credit');
    const job = await bench.acceptOne({ pool });
    await setReason(pool, 'pool_capacity');
    await bench.beginNext(job, 1);
    await bench.refuse(job, 'timed_out');
    await bench.queueAgain(job, 'retry');
    await setReason(pool, 'breaker');
    await deliver();
    await follow();
    // Not for a wait of a moment.
    expect(await mail()).toEqual([]);
    await bench.age(job, 120);
    await follow();
    expect(await mail()).toEqual([{ job, kind: 'repair', payload: { refusal: 'no_credit' } }]);
    await deliver();
    await follow();
    expect(await mail()).toEqual([]);
    await setReason(pool, 'pool_capacity');
    await follow();
    expect(await mail()).toEqual([{ job, kind: 'repair', payload: { refusal: null } }]);
  });

  test('hears nothing once it has its permit', async () => {
    const pool = await refusingPool('no_credit');
    const [job = ''] = await waitIn(pool, 1);
    await follow();
    await deliver();
    await bench.grant();
    await deliver();
    await setReason(pool, 'pool_capacity');
    await follow();
    expect(await mail()).toEqual([]);
    expect(await bench.count('permits', job)).toBe(1);
  });

  test('hears nothing of a line that it does not wait in', async () => {
    await refusingPool('no_credit');
    await waitIn(await bench.addPool(), 1);
    await showStuckJobs(bench.pool, settings);
    await deliver();
    await follow();
    expect(await mail()).toEqual([]);
  });
});
