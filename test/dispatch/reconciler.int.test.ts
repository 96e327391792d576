import pino from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerAttempt, beginAttempt } from '../../src/db/ledger/attempts.ts';
import { asOnlyOne } from '../../src/db/only-one.ts';
import { setSpendCap } from '../../src/db/scheduler/pools.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { createRelay } from '../../src/dispatch/mailbox-relay.ts';
import { reconcile, type ReconcilerDeps, type Repair } from '../../src/dispatch/reconciler.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { type Progress, ProviderUnreachableError, type VideoProvider } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { createSimulator, type RunningSimulator } from '../../src/simulator/simulator.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { createDispatchBench, type DispatchBench, openTemporal, quiet, type TemporalBench } from './dispatch-bench.ts';

const apiKey = 'simulated';
let bench: DispatchBench;
let temporal: TemporalBench;
let simulator: RunningSimulator;
let provider: VideoProvider;
beforeAll(async () => {
  [bench, temporal, simulator] = await Promise.all([
    createDispatchBench(),
    openTemporal(),
    createSimulator({ seed: 1, apiKey, webhookSecret: 'whsec_c2ltdWxhdGVk', tier: 'ultra', timeScale: 1 }).listen(),
  ]);
  provider = createProvider('wavespeed', { baseUrl: `${simulator.origin}/wavespeed`, apiKey });
});
afterAll(async () => {
  await simulator.close();
  await temporal.close();
  await bench.drop();
});
// Whatever a test has left open is nobody's repair in the next.
beforeEach(async () => {
  await bench.pool.query(
    `SELECT settle_job(id, 'cancelled', NULL, NULL) FROM jobs WHERE finished_at IS NULL;
     DELETE FROM permits; DELETE FROM mailbox; DELETE FROM refunds`,
  );
});

afterEach(() => {
  vi.restoreAllMocks();
});

type Repairs = Partial<Record<Repair, number>>;

async function reconcileOnce(deps: Partial<ReconcilerDeps> = {}): Promise<Repairs> {
  const repairs: Repairs = {};
  const ran = await reconcile({
    pool: bench.pool,
    client: temporal.client,
    providers: new Map([['vendor', provider]]),
    silentMs: 3_600_000,
    zombieEveryMs: 0,
    log: quiet,
    onRepair: (repair, count) => {
      if (count > 0) repairs[repair] = (repairs[repair] ?? 0) + count;
    },
    ...deps,
  });
  expect(ran).toBe(true);
  return repairs;
}

const away = (): VideoProvider => createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey });

async function grantOne(target: { longestMs?: number } = {}): Promise<{ job: string; grant: string }> {
  const job = await bench.acceptOne({ pool: await bench.addPool(), target });
  await bench.grant();
  return await bench.row('SELECT job, grant_id::text AS grant FROM permits WHERE job = $1', job);
}

const relay = async () => {
  const deps = {
    pool: bench.pool,
    client: temporal.client,
    eagerStart: false,
    stuckAfterMs: 300_000,
    handsMax: 50,
    log: quiet,
  };
  const one = createRelay(deps);
  while ((await one.takeUp()) > 0) await one.idle();
};

/** A job at the vendor, with what the vendor calls it. */
async function submitOne(
  target: { longestMs?: number } = {},
): Promise<{ job: string; grant: string; operation: string }> {
  const { job, grant } = await grantOne(target);
  await beginAttempt(bench.pool, beginOrder(job, grant));
  const started = await provider.start({
    model: 'alibaba/wan-2.6/text-to-video',
    input: { prompt: 'a fox', duration: 5 },
  });
  if (started.kind !== 'accepted') throw new Error(started.kind);
  const { operation } = started;
  await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation });
  return { job, grant, operation };
}

async function finish(operation: string, status: 'completed' | 'failed' = 'completed'): Promise<void> {
  const response = await fetch(`${simulator.origin}/control/finish/${operation}`, {
    method: 'POST',
    body: JSON.stringify({ status }),
  });
  expect(response.status).toBe(200);
}

const attemptOf = (job: string) =>
  bench.row('SELECT evidence, outcome, cost_usd_micros::int AS cost, failure FROM attempts WHERE job = $1', job);

describe('a workflow that closed without a verdict', () => {
  test('ends its job as terminated; what it had sent is a zombie', async () => {
    const { job } = await submitOne();
    await relay();
    await temporal.client.workflow.getHandle(job).terminate();
    // Temporal writes its list a moment after the fact.
    await expect.poll(async () => (await reconcileOnce(), await bench.phaseOf(job))).toBe('failed');
    expect(await bench.row('SELECT failure FROM jobs WHERE id = $1', job)).toMatchObject({
      failure: { code: 'terminated' },
    });
    expect(await bench.row('SELECT zombie_since IS NOT NULL AS zombie FROM permits WHERE job = $1', job)).toEqual({
      zombie: true,
    });
    expect(await reconcileOnce()).toEqual({});
  });

  test('gives back a permit that it had not used', async () => {
    const { job } = await grantOne();
    await relay();
    await temporal.client.workflow.getHandle(job).terminate();
    await expect.poll(async () => (await reconcileOnce(), await bench.phaseOf(job))).toBe('failed');
    expect(await bench.count('permits', job)).toBe(0);
  });

  test('is left alone when a later run of it goes on, as after a reset', async () => {
    const { job } = await grantOne();
    await relay();
    // One run closes as terminated and another one opens under the same id.
    await temporal.client.workflow.start('generateVideo', {
      workflowId: job,
      taskQueue: 'spillway',
      workflowIdConflictPolicy: 'TERMINATE_EXISTING',
    });
    const query = `WorkflowId = '${job}' AND ExecutionStatus = 'Terminated'`;
    await expect.poll(async () => (await temporal.client.workflow.count(query)).count).toBe(1);
    expect(await reconcileOnce()).toEqual({});
    // Nor does silence count against it.
    expect(await reconcileOnce({ silentMs: 0 })).toEqual({});
    expect(await bench.phaseOf(job)).toBe('queued');
  });

  test('is found by its silence too, where the list was read past it', async () => {
    const { job } = await submitOne();
    await relay();
    await temporal.client.workflow.getHandle(job).terminate();
    await bench.pool.query(
      `INSERT INTO watermarks VALUES ('closed_workflows', now() + interval '1 hour') ON CONFLICT (id) DO UPDATE SET at = excluded.at`,
    );
    expect(await reconcileOnce({ silentMs: 0 })).toEqual({ closed_workflow: 1 });
    expect(await bench.phaseOf(job)).toBe('failed');
    await bench.pool.query('DELETE FROM watermarks');
  });
});

describe('a workflow that Temporal does not know', () => {
  const inputOf = async (job: string): Promise<Record<string, unknown>> => {
    const { events } = await temporal.client.workflow.getHandle(job).fetchHistory();
    const data = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data ?? [];
    return JSON.parse(Buffer.from(data).toString());
  };
  const loseMail = () => bench.pool.query('DELETE FROM mailbox');

  test('is started anew, and its unused permit goes along', async () => {
    const { job, grant } = await grantOne();
    await loseMail();
    expect(await reconcileOnce()).toEqual({});
    expect(await reconcileOnce({ silentMs: 0 })).toEqual({ lost_workflow: 1 });
    // Its start is on its way: no second one.
    expect(await reconcileOnce({ silentMs: 0 })).toEqual({});
    await relay();
    expect(await inputOf(job)).toMatchObject({ jobId: job, permit: { attempt: 1, target: 0, grant } });
    expect(await reconcileOnce({ silentMs: 0 })).toEqual({});
  });

  test('is told of the attempt that it had made, and does not get its permit a second time', async () => {
    const { job, grant } = await submitOne();
    await loseMail();
    await reconcileOnce({ silentMs: 0 });
    await relay();
    const input = await inputOf(job);
    expect(input).toMatchObject({ known: [{ attempt: 1, target: 0, grant, phase: 'live' }] });
    // Its time runs on: a new run is no new budget.
    const { deadline } = await bench.row<{ deadline: number }>(
      'SELECT floor(extract(epoch FROM run_deadline) * 1000)::float8 AS deadline FROM jobs WHERE id = $1',
      job,
    );
    expect(input).toHaveProperty('runDeadlineAt', deadline);
    expect(input).not.toHaveProperty('permit');
  });

  test('is found behind any number that wait rightly', async () => {
    const pool = await bench.addPool();
    const waiting = await bench.accept({ pool, count: 12 });
    await bench.grant();
    await relay();
    const { job: lost } = await grantOne();
    await loseMail();
    const silent = { silentMs: 0 };
    const asked = await bench.rows('SELECT id FROM jobs WHERE checked_at IS NOT NULL AND finished_at IS NULL');
    expect(asked).toEqual([]);
    expect(await reconcileOnce(silent)).toEqual({ lost_workflow: 1 });
    expect(await bench.count('mailbox', lost)).toBe(1);
    expect(await bench.rows('SELECT id FROM jobs WHERE checked_at IS NOT NULL AND finished_at IS NULL')).toHaveLength(
      waiting.length + 1,
    );
  });
});

describe('permits', () => {
  test('that nobody released are released, and what they had reserved comes back', async () => {
    await setSpendCap(bench.pool, 1_000_000_000);
    const [{ job: unused }, { job: ended }, { job: held }] = [await grantOne(), await submitOne(), await submitOne()];
    // As if the release had been lost: what the ledger's functions never do.
    await bench.pool.query(`UPDATE jobs SET phase = 'cancelled', finished_at = now() WHERE id = $1`, [unused]);
    await bench.pool.query(
      `UPDATE attempts SET ended_at = now(), evidence = 'check', outcome = 'finished', cost_usd_micros = 500000 WHERE job = $1`,
      [ended],
    );
    expect(await reconcileOnce()).toEqual({ leaked_permit: 2 });
    expect(await bench.rows('SELECT job FROM permits')).toEqual([{ job: held }]);
    expect(await bench.rows('SELECT usd_micros::int AS back FROM refunds')).toEqual([{ back: 500_000 }]);
    expect(await reconcileOnce()).toEqual({});
    await setSpendCap(bench.pool, null);
  });

  test.each([
    { status: 'completed', outcome: 'finished', cost: 500_000 },
    { status: 'failed', outcome: 'failed', cost: 0 },
  ] as const)('of a zombie are free when the vendor says $status', async ({ status, outcome, cost }) => {
    const { job, operation } = await submitOne();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await reconcileOnce()).toEqual({});
    expect(await bench.count('permits', job)).toBe(1);
    await finish(operation, status);
    expect(await reconcileOnce()).toEqual({ zombie_ended: 1 });
    expect(await bench.count('permits', job)).toBe(0);
    expect(await attemptOf(job)).toMatchObject({ evidence: 'check', outcome, cost });
    expect(await bench.phaseOf(job)).toBe('cancelled');
    expect(await reconcileOnce()).toEqual({});
  });

  test('of a zombie are looked at once in a while only', async () => {
    const { job, operation } = await submitOne();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    const everyHour = { zombieEveryMs: 3_600_000 };
    await reconcileOnce(everyHour);
    await finish(operation);
    expect(await reconcileOnce(everyHour)).toEqual({});
    await bench.pool.query(`UPDATE permits SET checked_at = checked_at - interval '2 hours'`);
    expect(await reconcileOnce(everyHour)).toEqual({ zombie_ended: 1 });
  });

  const expire = (job: string) =>
    bench.pool.query(`UPDATE attempts SET submitted_at = submitted_at - interval '1 minute' WHERE job = $1`, [job]);

  test('are free after the longest duration where nobody can say what the vendor is doing', async () => {
    const { job, grant } = await grantOne({ longestMs: 1_000 });
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await expire(job);
    expect(await reconcileOnce()).toEqual({ zombie_expired: 1 });
    expect(await bench.count('permits')).toBe(0);
    expect(await attemptOf(job)).toMatchObject({ evidence: 'longest_duration', outcome: 'lost', cost: 500_000 });
  });

  test.each([
    { vendor: 'can not be reached', providers: () => new Map([['vendor', away()]]) },
    { vendor: 'is nobody that we know', providers: () => new Map<string, VideoProvider>() },
  ])('are free after the longest duration when the vendor $vendor', async ({ providers }) => {
    const { job } = await submitOne({ longestMs: 1_000 });
    await expire(job);
    expect(await reconcileOnce({ providers: providers() })).toEqual({ zombie_expired: 1 });
    expect(await bench.count('permits', job)).toBe(0);
  });

  test('are held past the longest duration while the vendor says that it is at it, and somebody is warned', async () => {
    const { job, operation } = await submitOne({ longestMs: 1_000 });
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    await expire(job);
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    expect(await reconcileOnce({ log })).toEqual({});
    expect(await bench.count('permits', job)).toBe(1);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ job, attempt: 1, provider: 'vendor' }]);
    await finish(operation);
    expect(await reconcileOnce()).toEqual({ zombie_ended: 1 });
  });

  test('of many zombies cost a vendor that is away one batch of questions a round', async () => {
    await bench.accept({ pool: await bench.addPool(), count: 120 });
    while ((await bench.grant()) > 0);
    await bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation)
       SELECT job, attempt, 'default', pool, target, 'vendor/model', 'vendor', 't', 'accepted', job FROM permits;
       UPDATE permits SET zombie_since = now()`,
    );
    const check = vi.fn<VideoProvider['check']>(() =>
      Promise.reject(new ProviderUnreachableError(failureOf('unreachable'))),
    );
    const providers = new Map([['vendor', { ...provider, check }]]);
    await reconcileOnce({ zombieEveryMs: 60_000, providers });
    expect(check).toHaveBeenCalledTimes(50);
  });

  test('of more zombies than one look takes are all looked at in one round', async () => {
    const pool = await bench.addPool();
    await bench.accept({ pool, count: 120 });
    while ((await bench.grant()) > 0);
    await bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, submitted_at)
       SELECT job, attempt, 'default', pool, target, 'vendor/model', 'vendor', 't', now() - interval '1 day' FROM permits`,
    );
    expect(await reconcileOnce({ zombieEveryMs: 60_000 })).toEqual({ zombie_expired: 120 });
  });

  test('are held while the vendor can not be reached', async () => {
    const { job, operation } = await submitOne();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    await finish(operation);
    expect(await reconcileOnce({ providers: new Map([['vendor', away()]]) })).toEqual({});
    expect(await bench.count('permits', job)).toBe(1);
    expect(await reconcileOnce()).toEqual({ zombie_ended: 1 });
  });
});

describe('a round', () => {
  const vacuums = async (): Promise<number> => {
    const { count } = await bench.row<{ count: number }>(
      `SELECT vacuum_count::int AS count FROM pg_stat_user_tables WHERE relname = 'tickets'`,
    );
    return count;
  };

  test('mends what needs no vendor before it waits for one', async () => {
    const { job: closed } = await submitOne();
    await relay();
    await temporal.client.workflow.getHandle(closed).terminate();
    const { job: zombie } = await submitOne();
    await settleJob(bench.pool, zombie, { phase: 'cancelled' });
    const seen: string[] = [];
    const check = async (): Promise<Progress> => {
      seen.push(await bench.phaseOf(closed));
      return { kind: 'running' };
    };
    await reconcileOnce({ silentMs: 0, providers: new Map([['vendor', { ...provider, check }]]) });
    // What the job left behind is a zombie by then, and looked at in the same round.
    expect(seen).toEqual(['failed', 'failed']);
  });

  test('goes on without Temporal, and says that it is away', async () => {
    const { job, operation } = await submitOne();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    await finish(operation);
    const before = await vacuums();
    vi.spyOn(temporal.client.workflow, 'list').mockImplementation(() => {
      throw new Error('no Temporal');
    });
    const silence = { message: 'no Temporal' };
    await expect(reconcileOnce()).rejects.toMatchObject({ errors: [silence, silence] });
    expect(await bench.count('permits', job)).toBe(0);
    await expect.poll(vacuums).toBeGreaterThan(before);
  });

  test('has its own deadline for Temporal’s list', async () => {
    const withDeadline = vi.spyOn(temporal.client, 'withDeadline');
    const list = vi.spyOn(temporal.client.workflow, 'list');
    await reconcileOnce();
    // Of those that closed, and of those whose tasks fail.
    expect(withDeadline).toHaveBeenCalledTimes(2);
    expect(list.mock.invocationCallOrder[0]).toBeGreaterThan(withDeadline.mock.invocationCallOrder[0] ?? Infinity);
  });
});

describe('one at a time', () => {
  const deps = (): ReconcilerDeps => ({
    pool: bench.pool,
    client: temporal.client,
    providers: new Map(),
    silentMs: 3_600_000,
    zombieEveryMs: 60_000,
    log: quiet,
    onRepair: () => undefined,
  });

  test('while one process reconciles another one does not', async () => {
    let other: boolean | undefined;
    await asOnlyOne(bench.pool, 'reconciler', async () => {
      other = await reconcile(deps());
    });
    expect(other).toBe(false);
    expect(await reconcile(deps())).toBe(true);
  });

  test('one that fails leaves the task to the next', async () => {
    const failing = asOnlyOne(bench.pool, 'reconciler', () => Promise.reject(new Error('no Temporal')));
    await expect(failing).rejects.toThrow('no Temporal');
    expect(await reconcile(deps())).toBe(true);
  });

  test('one whose connection breaks leaves it too, and its process lives on', async () => {
    const ran = asOnlyOne(bench.pool, 'reconciler', async () => {
      await bench.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
    });
    expect(await ran).toBe(true);
    await expect.poll(() => reconcile(deps())).toBe(true);
  });
});
