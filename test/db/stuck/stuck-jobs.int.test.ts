import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { beginAsset } from '../../../src/db/jobs/assets.ts';
import { noteFailingWorkflows } from '../../../src/db/stuck/failing-workflows.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { countStuckJobs } from '../../../src/db/stuck/stuck-counts.ts';
import { findStuckJobs, type StuckQuery } from '../../../src/db/stuck/stuck-jobs.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { type StuckCause, stuckCauses } from '../../../src/domain/stuck.ts';
import { createStuckBench, type StuckBench } from './stuck-bench.ts';

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

const settings = { stuckAfterMs: 300_000 };
const find = async (query: Partial<StuckQuery> = {}) =>
  await findStuckJobs(bench.pool, { ...settings, limit: 100, ...query });
const causesOf = async (query: Partial<StuckQuery> = {}) =>
  (await find(query)).map(({ jobId, stuck }) => [jobId, stuck.cause]);
const counts = async () =>
  Object.fromEntries((await countStuckJobs(bench.pool, settings)).map(({ cause, jobs }) => [cause, jobs]));

/** A job of each cause, as its states come about, and an hour old. */
const made: Readonly<Record<StuckCause, () => Promise<string>>> = {
  waiting_capacity: async () => await bench.acceptOne({ pool: await bench.addPool() }),
  async provider_refusing() {
    const job = await bench.begin();
    await bench.refuse(job, 'unreachable');
    await bench.queueAgain(job, 'retry');
    return job;
  },
  async no_credit() {
    // The job's own attempt was never refused: what the provider says to the line counts.
    const other = await bench.begin();
    const { pool } = await bench.row<{ pool: string }>('SELECT pool FROM attempts WHERE job = $1', other);
    await bench.refuse(other, 'no_credit');
    await settleJob(bench.pool, other, { phase: 'failed', failure: failureOf('no_credit') });
    await bench.pool.query(`UPDATE targets SET wait_reason = 'breaker' WHERE pool = $1`, [pool]);
    return await bench.acceptOne({ pool });
  },
  async waiting_callback_overdue() {
    const job = await bench.begin({ typicalMs: 60_000, patienceMs: 7_200_000 });
    await bench.acceptFirst(job);
    return job;
  },
  async polling_provider_slow() {
    const job = await bench.begin({ callbacks: false });
    await bench.acceptFirst(job);
    return job;
  },
  submit_unknown: async () => await bench.lose(await bench.begin()),
  async storing_asset() {
    const job = await bench.begin();
    await bench.acceptFirst(job);
    await bench.finish(job);
    await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'asset' });
    return job;
  },
  async webhook_failing() {
    const job = await bench.begin();
    await settleJob(bench.pool, job, { phase: 'failed', failure: failureOf('timed_out') });
    await bench.failWebhook(job, 'video.failed');
    return job;
  },
  async workflow_task_failing() {
    const job = await bench.begin();
    await bench.acceptFirst(job);
    await noteFailingWorkflows(bench.pool, [job]);
    return job;
  },
};

describe('a job of each cause', () => {
  test.each(stuckCauses)('%s is found by its cause and by its id, and counted', async (cause) => {
    const job = await made[cause]();
    const young = await find();
    await bench.age(job);
    // What Temporal reports counts at once, everything else once it lasts.
    expect(young.map(({ stuck }) => stuck.cause)).toEqual(cause === 'workflow_task_failing' ? [cause] : []);
    expect(await causesOf()).toEqual([[job, cause]]);
    expect(await causesOf({ cause })).toEqual([[job, cause]]);
    expect(await causesOf({ jobId: job })).toEqual([[job, cause]]);
    expect(await counts()).toEqual({ [cause]: 1 });
    for (const other of stuckCauses.filter((one) => one !== cause))
      expect(await causesOf({ cause: other })).toEqual([]);
  });

  test('all at once, each has its own, the longest first', async () => {
    const jobs = new Map<string, string>();
    // Those who stand in line last: the others are granted.
    const inLine: readonly StuckCause[] = ['provider_refusing', 'waiting_capacity'];
    const begun = stuckCauses.filter((one) => one !== 'no_credit' && !inLine.includes(one));
    for (const cause of [...begun, ...inLine]) jobs.set(await made[cause](), cause);
    for (const [index, job] of [...jobs.keys()].entries()) await bench.age(job, 3_600 - index);
    expect(new Map((await causesOf()).map(([job = '', cause = '']) => [job, cause]))).toEqual(jobs);
    const moments = (await find()).map(({ stuck }) => stuck.since);
    expect(moments).toEqual(moments.toSorted((one, other) => one - other));
    expect(Object.values(await counts())).toEqual(Array.from({ length: jobs.size }, () => 1));
  });
});

describe('what is told of it', () => {
  test('where it waits, and where else it may go', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool });
    await bench.pool.query(
      `UPDATE jobs SET route = route || jsonb_build_array((route -> 0) || '{"name":"vendor/other"}') WHERE id = $1`,
      [job],
    );
    await bench.age(job);
    expect(await find()).toEqual([
      {
        jobId: job,
        tenant: 'default',
        model: 'wan-2.6',
        phase: 'queued',
        target: 'vendor/model',
        provider: 'vendor',
        elsewhere: 'vendor/other',
        stuck: { cause: 'waiting_capacity', since: expect.any(Number) },
      },
    ]);
  });

  test('which attempt it is about', async () => {
    const job = await bench.lose(await bench.begin());
    await bench.age(job);
    expect(await find()).toMatchObject([{ target: 'vendor/model', provider: 'vendor', stuck: { attempt: 1 } }]);
  });
});

describe('what is not stuck', () => {
  test('who waits for less than the time', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await bench.age(job, 290);
    expect(await find()).toEqual([]);
    expect(await counts()).toEqual({});
    await bench.age(job, 20);
    expect(await causesOf()).toEqual([[job, 'waiting_capacity']]);
  });

  test('an attempt that is awaited in its time, or that was refused and is not what the job is about', async () => {
    const job = await bench.begin({ typicalMs: 3_600_000, patienceMs: 7_200_000 });
    await bench.acceptFirst(job);
    await bench.age(job, 1_800);
    expect(await find()).toEqual([]);
  });

  test('one whose provider was seen queueing it a moment ago', async () => {
    const job = await bench.begin({ callbacks: false });
    await bench.acceptFirst(job);
    await bench.age(job);
    expect(await causesOf()).toEqual([[job, 'polling_provider_slow']]);
    await bench.pool.query('UPDATE attempts SET queued_at = clock_timestamp() WHERE job = $1', [job]);
    expect(await find()).toEqual([]);
  });

  test('a job that has ended, though the provider still works on it', async () => {
    const job = await bench.begin();
    await bench.acceptFirst(job);
    await bench.age(job);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await find()).toEqual([]);
    expect(await find({ jobId: job })).toEqual([]);
    expect(await counts()).toEqual({});
  });

  test('a POST that is under way; its worker is given up after minutes', async () => {
    const job = await bench.begin();
    await bench.age(job, 200);
    expect(await find()).toEqual([]);
    await bench.age(job, 200);
    expect(await causesOf()).toEqual([[job, 'submit_unknown']]);
  });
});

describe('several causes', () => {
  test('the one that counts for more is told, and counted once', async () => {
    const job = await made.waiting_capacity();
    await bench.failWebhook(job, 'video.in_progress');
    await bench.age(job);
    expect(await causesOf()).toEqual([[job, 'waiting_capacity']]);
    expect(await counts()).toEqual({ waiting_capacity: 1 });
    await noteFailingWorkflows(bench.pool, [job]);
    expect(await causesOf()).toEqual([[job, 'workflow_task_failing']]);
    expect(await counts()).toEqual({ workflow_task_failing: 1 });
  });

  test('whoever has a live attempt does not wait for the second one', async () => {
    const job = await bench.begin({ typicalMs: 3_600_000, patienceMs: 7_200_000 });
    await bench.acceptFirst(job);
    await bench.queueAgain(job, 'overlap');
    await bench.age(job, 1_800);
    expect(await find()).toEqual([]);
    expect(await counts()).toEqual({});
  });
});

test('a job whose workflow is well again is not failing any more', async () => {
  const [first = '', second = ''] = await bench.accept({ pool: await bench.addPool(), count: 2 });
  await noteFailingWorkflows(bench.pool, [first, second]);
  const since = (await find({ jobId: second })).map(({ stuck }) => stuck.since);
  await noteFailingWorkflows(bench.pool, [second]);
  expect(await causesOf()).toEqual([[second, 'workflow_task_failing']]);
  expect((await find({ jobId: second })).map(({ stuck }) => stuck.since)).toEqual(since);
  await noteFailingWorkflows(bench.pool, []);
  expect(await find()).toEqual([]);
});

test('of a list of failing workflows that was cut nobody is well, but whoever has ended', async () => {
  const [first = '', second = '', third = ''] = await bench.accept({ pool: await bench.addPool(), count: 3 });
  await noteFailingWorkflows(bench.pool, [first, third]);
  await settleJob(bench.pool, third, { phase: 'cancelled' });
  await noteFailingWorkflows(bench.pool, [second], true);
  const { rows } = await bench.pool.query<{ job: string }>('SELECT job FROM failing_workflows');
  expect(rows.map(({ job }) => job).toSorted()).toEqual([first, second].toSorted());
});

test('by tenant, and no more than were asked for', async () => {
  const pool = await bench.addPool();
  await bench.pool.query(`INSERT INTO tenants (id) VALUES ('acme') ON CONFLICT DO NOTHING`);
  const jobs = [...(await bench.accept({ pool, count: 3 })), await bench.acceptOne({ pool, tenant: 'acme' })];
  for (const [index, job] of jobs.entries()) await bench.age(job, 5_000 - index);
  expect(await causesOf({ tenant: 'acme' })).toEqual([[jobs[3], 'waiting_capacity']]);
  expect(await causesOf({ limit: 2 })).toEqual(jobs.slice(0, 2).map((job) => [job, 'waiting_capacity']));
});
