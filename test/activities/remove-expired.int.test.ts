import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRemoveExpired } from '../../src/activities/remove-expired.ts';
import type { RetentionReport } from '../../src/contracts/enforce-retention.ts';
import { insertUploads } from '../../src/db/jobs/uploads.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { inputKey, preparedKey, uploadKey } from '../../src/storage/input-keys.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey, type ObjectStore } from '../../src/storage/object-store.ts';
import { createLedgerBench, type LedgerBench } from '../db/ledger/ledger-bench.ts';

let bench: LedgerBench;
let directory: string;
let store: ObjectStore;
beforeAll(async () => {
  bench = await createLedgerBench();
  directory = await mkdtemp(join(tmpdir(), 'spillway-retention-'));
  store = createLocalObjectStore(directory);
});
afterAll(async () => {
  await bench.drop();
  await rm(directory, { recursive: true });
});
beforeEach(async () => {
  await bench.pool.query(`DELETE FROM assets; DELETE FROM uploads; UPDATE jobs SET input_image = NULL, input_url = NULL;
                          UPDATE tenants SET input_days_kept = 1`);
});

async function removeExpired(changes: Partial<ObjectStore> = {}): Promise<RetentionReport> {
  const deps = { db: bench.pool, store: { ...store, ...changes }, log: pino({ level: 'silent' }) };
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return await environment.run(createRemoveExpired(deps));
}

const nothing: RetentionReport = { assets: 0, inputs: 0, uploads: 0, isMore: false };
const put = (key: string): Promise<void> => store.write(key, { body: Buffer.from('bytes') });
const has = async (key: string): Promise<boolean> => (await store.describe(key)) !== undefined;
const videoOf = (jobId: string): string => assetKey({ tenant: 'default', jobId, attempt: 1 });
const removedAt = async (job: string): Promise<unknown> =>
  (await bench.row<{ removed_at: unknown }>('SELECT removed_at FROM assets WHERE job = $1', job)).removed_at;

/** A completed job whose video is ours, for so many days more. */
async function keepOne(days: number): Promise<string> {
  const job = await bench.finishJob();
  await put(videoOf(job));
  await bench.keepVideo(job);
  await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
  await bench.pool.query(`UPDATE assets SET expires_at = now() + $2 * interval '1 day' WHERE job = $1`, [job, days]);
  return job;
}

/** As many further attempts whose videos are due, longer than all others. */
async function addExpired(job: string, count: number): Promise<void> {
  await bench.pool.query(
    `INSERT INTO attempts SELECT (jsonb_populate_record(a, jsonb_build_object('attempt', n, 'operation', a.operation || n))).*
     FROM attempts a, generate_series(2, $2::int + 1) AS n WHERE job = $1`,
    [job, count],
  );
  await bench.pool.query(
    `INSERT INTO assets (job, attempt, tenant, key, stored_at, expires_at)
     SELECT job, attempt, tenant, 'assets/default/' || job || '/' || attempt || '.mp4', NULL, now() - interval '3 days'
     FROM attempts WHERE job = $1 AND attempt > 1`,
    [job],
  );
}

interface Picture {
  readonly image?: string | null;
  readonly url?: string;
  readonly tenant?: string;
  /** Days since the job ended. Null: it has not. */
  readonly endedDaysAgo: number | null;
}

async function acceptWithPicture({ image = null, url, tenant = 'default', endedDaysAgo }: Picture): Promise<string> {
  const job = await bench.acceptJob();
  await bench.pool.query(
    `UPDATE jobs SET tenant = $2, input_image = $3, input_url = $4, phase = CASE WHEN $5::int IS NULL THEN 'queued' ELSE 'cancelled' END,
            finished_at = now() - $5::int * interval '1 day' - interval '1 minute' WHERE id = $1`,
    [job, tenant, image, url ?? null, endedDaysAgo],
  );
  return job;
}
const inputOf = (job: string) =>
  bench.row<Record<string, unknown>>('SELECT input_image, input_url, input_removed_at FROM jobs WHERE id = $1', job);

describe('a video', () => {
  test('goes when its time is over, with a note, and one that has time left stays', async () => {
    const [over, young] = [await keepOne(-1), await keepOne(1)];
    expect(await removeExpired()).toEqual({ ...nothing, assets: 1 });
    expect([await has(videoOf(over)), await has(videoOf(young))]).toEqual([false, true]);
    expect(await removedAt(over)).toBeInstanceOf(Date);
    expect(await removedAt(young)).toBeNull();
    expect(await removeExpired()).toEqual(nothing);
  });

  test('of a job that ended otherwise goes at the next run', async () => {
    const job = await bench.finishJob();
    await put(videoOf(job));
    await bench.keepVideo(job);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await removeExpired()).toMatchObject({ assets: 1 });
    expect(await has(videoOf(job))).toBe(false);
  });

  test('of which a crash has left bytes and no note goes once nobody can be writing it', async () => {
    const job = await bench.finishJob();
    await bench.pool.query('SELECT begin_asset($1, 1, $2)', [job, videoOf(job)]);
    await put(videoOf(job));
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await removeExpired()).toEqual(nothing);
    await bench.pool.query(`UPDATE assets SET expires_at = expires_at - interval '25 hours' WHERE job = $1`, [job]);
    expect(await removeExpired()).toMatchObject({ assets: 1 });
    expect(await has(videoOf(job))).toBe(false);
  });

  test('that a crash has removed without a note is noted by the next one', async () => {
    const job = await keepOne(-1);
    await store.remove(videoOf(job));
    expect(await removeExpired()).toMatchObject({ assets: 1 });
    expect(await removedAt(job)).toBeInstanceOf(Date);
  });

  test('is removed by several workers at once as by one', async () => {
    const jobs: string[] = [];
    for (let made = 0; made < 30; made += 1) jobs.push(await keepOne(-1));
    await Promise.all([removeExpired(), removeExpired(), removeExpired()]);
    for (const job of jobs) expect([await has(videoOf(job)), await removedAt(job)]).toEqual([false, expect.any(Date)]);
    expect(await removeExpired()).toEqual(nothing);
  });

  test('that can not be removed stays in the books, is an error, and keeps nobody else', async () => {
    const [stuck, other] = [await keepOne(-2), await keepOne(-1)];
    const remove = async (key: string): Promise<void> => {
      if (key === videoOf(stuck)) throw new Error('the bucket is locked');
      await store.remove(key);
    };
    await expect(removeExpired({ remove })).rejects.toThrow('1 objects could not be removed');
    expect(await has(videoOf(other))).toBe(false);
    expect([await removedAt(stuck), await removedAt(other)]).toEqual([null, expect.any(Date)]);
    expect(await removeExpired()).toMatchObject({ assets: 1 });
  });

  test('goes also behind a whole batch of others that can not be removed', async () => {
    const [stuck, other] = [await keepOne(-2), await keepOne(-1)];
    await addExpired(stuck, limits.retentionBatchMax);
    const remove = async (key: string): Promise<void> => {
      if (key.includes(stuck)) throw new Error('the bucket is locked');
      await store.remove(key);
    };
    await expect(removeExpired({ remove })).rejects.toThrow(`${limits.retentionBatchMax + 1} objects`);
    expect(await has(videoOf(other))).toBe(false);
    expect([await removedAt(stuck), await removedAt(other)]).toEqual([null, expect.any(Date)]);
  });

  test('of very many goes batch by batch, as many as an activity may and never more at once', async () => {
    const job = await keepOne(-1);
    const countMax = limits.retentionBatchMax * limits.retentionBatchesMax;
    await addExpired(job, countMax + 4);
    let [now, most] = [0, 0];
    const remove = async (key: string): Promise<void> => {
      now += 1;
      most = Math.max(most, now);
      await store.remove(key);
      now -= 1;
    };
    expect(await removeExpired({ remove })).toEqual({ ...nothing, assets: countMax, isMore: true });
    expect(most).toBeLessThanOrEqual(limits.removalsAtOnceMax);
    expect(await removeExpired()).toEqual({ ...nothing, assets: 5 });
  });
});

describe('an input picture', () => {
  test('goes a day after its job ended, in every shape that it may have', async () => {
    const job = await bench.acceptJob();
    const place = { tenant: 'default', jobId: job };
    const keys = [inputKey(place, 'image/png'), inputKey(place, 'image/jpeg'), preparedKey(place)];
    for (const key of keys) await put(key);
    await bench.pool.query(
      `UPDATE jobs SET input_image = $2, phase = 'cancelled', finished_at = now() - interval '25 hours' WHERE id = $1`,
      [job, preparedKey(place)],
    );
    expect(await removeExpired()).toEqual({ ...nothing, inputs: 1 });
    for (const key of keys) expect(await has(key)).toBe(false);
    expect(await inputOf(job)).toMatchObject({ input_removed_at: expect.any(Date) });
    expect(await removeExpired()).toEqual(nothing);
  });

  test('that was never read leaves no URL behind', async () => {
    const job = await acceptWithPicture({ url: 'https://people.example/me.jpg', endedDaysAgo: 1 });
    expect(await removeExpired()).toEqual({ ...nothing, inputs: 1 });
    expect(await inputOf(job)).toMatchObject({ input_url: null, input_removed_at: expect.any(Date) });
  });

  test.each<{ what: string; picture: Picture }>([
    { what: 'of a job that has just ended', picture: { image: 'inputs/default/a.png', endedDaysAgo: 0 } },
    { what: 'of a job that goes on', picture: { image: 'inputs/default/b.png', endedDaysAgo: null } },
    { what: 'that is still to be read', picture: { url: 'https://people.example/me.jpg', endedDaysAgo: null } },
    { what: 'that there is none of', picture: { endedDaysAgo: 100 } },
  ])('$what stays', async ({ picture }) => {
    const job = await acceptWithPicture(picture);
    expect(await removeExpired()).toEqual(nothing);
    expect(await inputOf(job)).toMatchObject({ input_removed_at: null, input_url: picture.url ?? null });
  });

  test('stays as long as its own tenant keeps pictures', async () => {
    await bench.pool.query(`INSERT INTO tenants (id, input_days_kept) VALUES ('archive', 30) ON CONFLICT DO NOTHING`);
    const kept = { image: 'inputs/archive/c.png', tenant: 'archive' };
    const [young, old] = [
      await acceptWithPicture({ ...kept, endedDaysAgo: 29 }),
      await acceptWithPicture({ ...kept, endedDaysAgo: 30 }),
    ];
    expect(await removeExpired()).toEqual({ ...nothing, inputs: 1 });
    expect(await inputOf(young)).toMatchObject({ input_removed_at: null });
    expect(await inputOf(old)).toMatchObject({ input_removed_at: expect.any(Date) });
  });
});

test('the log of webhooks goes batch by batch, as fast as the jobs that it is of', async () => {
  const countMax = limits.retentionBatchMax * limits.retentionBatchesMax;
  await bench.pool.query(
    `INSERT INTO webhook_deliveries (id, event_id, tenant, receiver, kind, event_at, state, created_at, ended_at)
     SELECT 'whd_' || n, 'evt_' || n, 'default', 'r', 'video.completed', now(), 'delivered',
            now() - interval '31 days', now() - interval '31 days'
     FROM generate_series(1, $1::int + 1) AS n`,
    [countMax],
  );
  expect(await removeExpired()).toEqual({ ...nothing, isMore: true });
  const left = () => bench.row('SELECT count(*)::int AS count FROM webhook_deliveries');
  expect(await left()).toEqual({ count: 1 });
  expect(await removeExpired()).toEqual(nothing);
  expect(await left()).toEqual({ count: 0 });
});

test('an upload that nobody used goes with its place, another stays', async () => {
  const key = (uploadId: string): string => uploadKey({ tenant: 'default', uploadId }, 'image/png');
  const place = { tenant: 'default', bytes: 5 };
  await insertUploads(bench.pool, [
    { ...place, id: 'upload_over', key: key('upload_over'), secondsKept: -1 },
    { ...place, id: 'upload_empty', key: key('upload_empty'), secondsKept: -1 },
    { ...place, id: 'upload_young', key: key('upload_young'), secondsKept: 3_600 },
  ]);
  for (const id of ['upload_over', 'upload_young']) await put(key(id));
  expect(await removeExpired()).toEqual({ ...nothing, uploads: 2 });
  expect(await readdir(join(directory, 'uploads/default'))).toEqual(['upload_young.png']);
  expect(await bench.row('SELECT array_agg(id) AS ids FROM uploads')).toEqual({ ids: ['upload_young'] });
});
