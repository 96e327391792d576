import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eraseJobs } from '../../src/activities/erase-jobs.ts';
import { beginAsset } from '../../src/db/jobs/assets.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { eraseJob, findReceipt } from '../../src/db/retention/erase.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { type OperationHandle, ProviderUnreachableError, type VideoProvider } from '../../src/providers/provider.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey, type ObjectStore } from '../../src/storage/object-store.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../db/ledger/ledger-bench.ts';

let bench: LedgerBench;
let directory: string;
let store: ObjectStore;
beforeAll(async () => {
  bench = await createLedgerBench();
  directory = await mkdtemp(join(tmpdir(), 'spillway-erase-'));
  store = createLocalObjectStore(directory);
});
afterEach(() => bench.pool.query('UPDATE erasures SET closed_at = now() WHERE closed_at IS NULL'));
afterAll(async () => {
  await bench.drop();
  await rm(directory, { recursive: true });
});

type Vendor = Pick<VideoProvider, 'erase'>;
const log = pino({ level: 'silent' });
const unreachable: Vendor = {
  erase: () => Promise.reject(new ProviderUnreachableError(failureOf('unreachable', { vendorCode: 'http_503' }))),
};

const round = (vendor: Vendor | undefined, over: Partial<ObjectStore> = {}) =>
  eraseJobs({
    db: bench.pool,
    store: { ...store, ...over },
    providers: new Map(vendor === undefined ? [] : [['vendor', vendor]]),
    log,
  });

/** A job that has ended with a video of ours, and was deleted. */
async function deletedJob(): Promise<string> {
  const job = await bench.finishJob();
  await store.write(keyOf(job), { body: Buffer.from('video') });
  await bench.keepVideo(job);
  await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
  expect(await erase(job)).toBe(true);
  return job;
}

const keyOf = (jobId: string): string => assetKey({ tenant: 'default', jobId, attempt: 1 });
const erase = (id: string) => eraseJob(bench.pool, { id, tenant: 'default' });
const receiptOf = async (id: string) => await findReceipt(bench.pool, { id, tenant: 'default' });
const outcomeOf = async (id: string) => (await receiptOf(id))?.attempts[0]?.erasure;
const makeDue = (job: string) => bench.pool.query('UPDATE erasures SET due_at = now() WHERE job = $1', [job]);
const dueInMs = async (job: string): Promise<number> =>
  (
    await bench.row<{ ms: number }>(
      'SELECT extract(epoch FROM due_at - clock_timestamp())::float8 * 1000 AS ms FROM erasures WHERE job = $1',
      job,
    )
  ).ms;

describe('a vendor', () => {
  test('is asked by its own names, once', async () => {
    const asked: OperationHandle[] = [];
    const vendor: Vendor = { erase: async (handle) => void asked.push(handle) };
    const job = await deletedJob();
    await round(vendor);
    await round(vendor);
    expect(asked).toEqual([{ operation: `op-${job}`, model: 'maker/model' }]);
    expect(await receiptOf(job)).toMatchObject({ erasedAt: expect.any(Number), isRemoved: true });
    expect(await outcomeOf(job)).toBe('erased');
  });

  test('that can’t is not asked', async () => {
    const job = await deletedJob();
    await round({});
    expect(await outcomeOf(job)).toBe('not_supported');
    expect(await receiptOf(job)).toMatchObject({ erasedAt: expect.any(Number) });
  });

  test.each([
    ['that does not answer', unreachable],
    ['that nobody here knows any more', undefined],
  ])('%s is asked again, less and less often, and given up at last', async (_name, vendor) => {
    const job = await deletedJob();
    await round(vendor);
    expect(await receiptOf(job)).toMatchObject({ erasedAt: null, isRemoved: true });
    expect(await outcomeOf(job)).toBeNull();
    const first = await dueInMs(job);
    await makeDue(job);
    await round(vendor);
    expect(await dueInMs(job)).toBeGreaterThan(first);
    await bench.pool.query('UPDATE erasures SET tries = $2, due_at = now() WHERE job = $1', [
      job,
      limits.eraseTriesMax - 2,
    ]);
    await round(vendor);
    expect(await dueInMs(job)).toBeGreaterThan(limits.eraseRetryMsMax * 0.9);
    await makeDue(job);
    await round(vendor);
    expect(await outcomeOf(job)).toBe('failed');
    expect(await receiptOf(job)).toMatchObject({ erasedAt: expect.any(Number) });
  });

  test('is not asked for what it may still be at', async () => {
    const job = await bench.acceptJob();
    const [grant = ''] = await bench.grant(job);
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await erase(job);
    const never: Vendor = { erase: () => Promise.reject(new Error('it was asked')) };
    await round(never);
    expect(await receiptOf(job)).toMatchObject({ isFinal: false, isRemoved: false, erasedAt: null });
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    await makeDue(job);
    await round(never);
    expect(await receiptOf(job)).toMatchObject({ isFinal: true, isRemoved: true, erasedAt: null });
    expect(await bench.row('SELECT tries FROM erasures WHERE job = $1', job)).toEqual({ tries: 0 });
    await endAttempt(bench.pool, { jobId: job, attempt: 1, evidence: 'stop', outcome: 'lost', operation: 'op-late' });
    await makeDue(job);
    await round({ erase: async () => undefined });
    expect(await receiptOf(job)).toMatchObject({ erasedAt: expect.any(Number) });
  });

  test('can’t be asked for what nobody knows the name of, and has nothing of what it refused', async () => {
    const lost = await bench.acceptJob();
    const refused = await bench.acceptJob();
    for (const job of [lost, refused]) {
      const [grant = ''] = await bench.grant(job);
      await beginAttempt(bench.pool, beginOrder(job, grant));
    }
    await endAttempt(bench.pool, { jobId: lost, attempt: 1, evidence: 'longest_duration', outcome: 'lost' });
    await endAttempt(bench.pool, {
      jobId: refused,
      attempt: 1,
      evidence: 'refusal',
      outcome: 'failed',
      failure: failureOf('invalid_input'),
    });
    for (const job of [lost, refused]) {
      await settleJob(bench.pool, job, { phase: 'cancelled' });
      await erase(job);
    }
    await bench.pool.query('UPDATE erasures SET tries = $1 WHERE closed_at IS NULL', [limits.eraseTriesMax - 1]);
    await round(unreachable);
    expect((await receiptOf(lost))?.attempts).toMatchObject([{ operation: null, erasure: 'failed' }]);
    expect((await receiptOf(refused))?.attempts).toEqual([]);
  });
});

describe('objects', () => {
  test('that can’t be removed are tried again, and keep nobody else’s', async () => {
    const stuck = await deletedJob();
    const other = await deletedJob();
    const remove = async (key: string): Promise<void> => {
      if (key.includes(stuck)) throw new Error('EIO');
      await store.remove(key);
    };
    await round({}, { remove });
    expect(await receiptOf(stuck)).toMatchObject({ isRemoved: false, erasedAt: null });
    expect(await receiptOf(other)).toMatchObject({ isRemoved: true, erasedAt: expect.any(Number) });
    await makeDue(stuck);
    await round({});
    expect(await store.describe(keyOf(stuck))).toBeUndefined();
    expect(await receiptOf(stuck)).toMatchObject({ isRemoved: true, erasedAt: expect.any(Number) });
  });

  test('that a killed process leaves behind go with the last look, a day later', async () => {
    const job = await deletedJob();
    await round({});
    expect(await dueInMs(job)).toBeGreaterThan(limits.eraseLastLookMs * 0.99);
    const prepared = `inputs/default/${job}-prepared.jpg`;
    for (const key of [keyOf(job), prepared]) await store.write(key, { body: Buffer.from('late') });
    await makeDue(job);
    await round({});
    expect([await store.describe(keyOf(job)), await store.describe(prepared)]).toEqual([undefined, undefined]);
    expect(await bench.row('SELECT closed_at FROM erasures WHERE job = $1', job)).toEqual({
      closed_at: expect.any(Date),
    });
  });

  test('of a copy that was begun go, and retention looks for them once more', async () => {
    const job = await bench.finishJob();
    await beginAsset(bench.pool, { jobId: job, attempt: 1, key: keyOf(job) });
    await store.write(keyOf(job), { body: Buffer.from('half of a video') });
    await erase(job);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    await round({});
    expect(await store.describe(keyOf(job))).toBeUndefined();
    expect(await bench.row('SELECT removed_at, stored_at FROM assets WHERE job = $1', job)).toEqual({
      removed_at: null,
      stored_at: null,
    });
  });
});

test('many deletions are completed by several workers, each once', async () => {
  const jobs: string[] = [];
  for (let index = 0; index < 3 * limits.erasuresAtOnceMax; index += 1) jobs.push(await deletedJob());
  const asked = new Map<string, number>();
  const vendor: Vendor = {
    erase: async ({ operation }) => void asked.set(operation, (asked.get(operation) ?? 0) + 1),
  };
  const worker = async (): Promise<void> => {
    for (;;) if ((await round(vendor)) === 'idle') return;
  };
  await Promise.all([worker(), worker(), worker()]);
  await worker();
  for (const job of jobs) expect([job, asked.get(`op-${job}`)]).toEqual([job, 1]);
});

test('a worker that dies leaves its deletions to the next one', async () => {
  const job = await deletedJob();
  const hangs = new Promise<never>(() => undefined);
  void round({ erase: () => hangs });
  await expect
    .poll(
      async () =>
        (
          await bench.row<{ removed: boolean }>(
            'SELECT removed_at IS NOT NULL AS removed FROM erasures WHERE job = $1',
            job,
          )
        ).removed,
      { timeout: 10_000 },
    )
    .toBe(true);
  await round({ erase: async () => undefined });
  expect(await outcomeOf(job)).toBeNull();
  expect(await dueInMs(job)).toBeLessThanOrEqual(limits.eraseLeaseMs);
  await makeDue(job);
  await round({ erase: async () => undefined });
  expect(await outcomeOf(job)).toBe('erased');
});
