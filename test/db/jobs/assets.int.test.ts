import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  beginAsset,
  failAsset,
  findVideoToStore,
  keepAsset,
  moveVideo,
  type StoredAsset,
} from '../../../src/db/jobs/assets.ts';
import { findKnownRun } from '../../../src/db/ledger/known-attempts.ts';
import { listEvents } from '../../../src/db/jobs/read-jobs.ts';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { queueAttempt, settleJob } from '../../../src/db/ledger/settle.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(async () => {
  await bench.drop();
});

const nobody = 'video_018f0000-0000-7000-8000-000000000000';
const keyOf = (jobId: string): string => `assets/default/${jobId}/1.mp4`;
const begin = (jobId: string) => beginAsset(bench.pool, { jobId, attempt: 1, key: keyOf(jobId) });
const keep = (jobId: string, facts: Partial<StoredAsset> = {}) => {
  const whole = { key: keyOf(jobId), contentType: 'video/mp4', bytes: 1_000, sha256: new Uint8Array(32).fill(7) };
  return keepAsset(bench.pool, { jobId, attempt: 1, ...whole, ...facts });
};
const failure = failureOf('output_expired', { vendorCode: 'http_404' });
const fail = (jobId: string, why = failure) => failAsset(bench.pool, { jobId, attempt: 1, failure: why });
const cancel = (jobId: string) => settleJob(bench.pool, jobId, { phase: 'cancelled' });
const assetOf = (jobId: string) => bench.row<Record<string, unknown>>('SELECT * FROM assets WHERE job = $1', jobId);
const eventsOf = async (jobId: string): Promise<readonly object[]> =>
  (await listEvents(bench.pool, { id: jobId, tenant: 'default' })).filter(({ kind }) => kind.startsWith('asset.'));

describe('what there is to copy', () => {
  test('is where its vendor says, and asked for by what the vendor calls it', async () => {
    const job = await bench.finishJob({ videoUrl: 'https://vendor.example/1.mp4' });
    expect(await findVideoToStore(bench.pool, { jobId: job, attempt: 1 })).toEqual({
      tenant: 'default',
      provider: 'vendor',
      operation: `op-${job}`,
      model: 'maker/model',
      url: 'https://vendor.example/1.mp4',
    });
    await moveVideo(bench.pool, { jobId: job, attempt: 1, url: 'https://vendor.example/2.mp4' });
    expect(await findVideoToStore(bench.pool, { jobId: job, attempt: 1 })).toMatchObject({
      url: 'https://vendor.example/2.mp4',
    });
  });

  test.each([
    { what: 'an attempt that was never made', prepare: () => bench.acceptJob() },
    { what: 'a job that does not exist', prepare: async () => nobody },
  ])('is nothing for $what', async ({ prepare }) => {
    expect(await findVideoToStore(bench.pool, { jobId: await prepare(), attempt: 1 })).toBeUndefined();
  });
});

describe('begin_asset', () => {
  test('notes where bytes may lie before the first of them, and may be called again', async () => {
    const job = await bench.finishJob();
    expect([await begin(job), await begin(job)]).toMatchObject([{ verdict: 'go' }, { verdict: 'go' }]);
    expect(await assetOf(job)).toMatchObject({ key: keyOf(job), tenant: 'default', stored_at: null, bytes: null });
    const soon = `expires_at BETWEEN now() + interval '23 hours' AND now() + interval '25 hours'`;
    expect(await bench.row(`SELECT ${soon} AS soon FROM assets WHERE job = $1`, job)).toEqual({ soon: true });
    expect(await eventsOf(job)).toEqual([]);
  });

  describe('withdraws what was not sent yet', () => {
    const ticket = { attempt: 2, target: 0, kind: 'overlap' } as const;
    const asked = { ticket, waitMs: 0 };
    const held = async (jobId: string): Promise<object> => ({
      tickets: await bench.count('tickets', jobId),
      permits: await bench.count('permits', jobId),
      permitMail: (
        await bench.row<{ count: string }>(`SELECT count(*) FROM mailbox WHERE job = $1 AND kind = 'permit'`, jobId)
      ).count,
    });
    const nothing = { tickets: 0, permits: 0, permitMail: '0' };

    test('a place in line', async () => {
      const job = await bench.finishJob();
      await queueAttempt(bench.pool, { jobId: job, ...asked });
      expect(await begin(job)).toMatchObject({ verdict: 'go' });
      expect(await held(job)).toEqual(nothing);
    });

    test('a permit, whose price comes back: it must not be sent, and another one may be asked for', async () => {
      const job = await bench.finishJob();
      await bench.pool.query('UPDATE budgets SET cap_usd_micros = 1e12; DELETE FROM refunds');
      await queueAttempt(bench.pool, { jobId: job, ...asked });
      const [grant = ''] = await bench.grant(job);
      expect(await held(job)).toEqual({ tickets: 0, permits: 1, permitMail: '1' });
      await begin(job);
      expect(await held(job)).toEqual(nothing);
      expect(await bench.row('SELECT sum(usd_micros)::int AS back FROM refunds')).toEqual({ back: 500_000 });
      expect(await beginAttempt(bench.pool, beginOrder(job, grant, 2))).toMatchObject({ verdict: 'permit_lost' });
      await fail(job);
      const again = { ...asked, ticket: { ...ticket, attempt: 3, kind: 'retry' as const } };
      expect(await queueAttempt(bench.pool, { jobId: job, ...again })).toBe('queued');
      await bench.pool.query('UPDATE budgets SET cap_usd_micros = NULL');
    });

    test('and nothing that was', async () => {
      const job = await bench.finishJob();
      await queueAttempt(bench.pool, { jobId: job, ...asked });
      const [grant = ''] = await bench.grant(job);
      await beginAttempt(bench.pool, beginOrder(job, grant, 2));
      await begin(job);
      expect(await held(job)).toMatchObject({ permits: 1 });
    });
  });

  test.each<{ what: string; prepare: (job: string) => Promise<unknown>; expected: object }>([
    { what: 'a copy that is there', prepare: keep, expected: { verdict: 'kept' } },
    {
      what: 'a copy of a job that has ended by it',
      prepare: async (job) => {
        await keep(job);
        await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
      },
      expected: { verdict: 'kept' },
    },
    { what: 'a job that has ended', prepare: cancel, expected: { verdict: 'job_final' } },
    {
      what: 'a copy that there never will be',
      prepare: async (job) => {
        await begin(job);
        await fail(job);
      },
      expected: { verdict: 'failed', failure },
    },
    {
      what: 'a copy that retention has removed before its time',
      prepare: async (job) => {
        await begin(job);
        await bench.pool.query('UPDATE assets SET removed_at = now() WHERE job = $1', [job]);
      },
      expected: { verdict: 'go' },
    },
  ])('of $what says so', async ({ prepare, expected }) => {
    const job = await bench.finishJob();
    await prepare(job);
    expect(await begin(job)).toMatchObject(expected);
  });

  test('of a job that does not exist says that nobody waits for it', async () => {
    expect(await begin(nobody)).toMatchObject({ verdict: 'job_final' });
  });
});

describe('keep_asset', () => {
  test('keeps what proves that the copy is whole, for the days of its tenant, and tells of it', async () => {
    const job = await bench.finishJob();
    await begin(job);
    expect(await keep(job)).toBe('kept');
    expect(await assetOf(job)).toMatchObject({
      content_type: 'video/mp4',
      bytes: '1000',
      sha256: Buffer.alloc(32, 7),
      stored_at: expect.any(Date),
      removed_at: null,
    });
    const days = `round(extract(epoch FROM expires_at - stored_at) / 86400)::int`;
    expect(await bench.row(`SELECT ${days} AS days FROM assets WHERE job = $1`, job)).toEqual({ days: 30 });
    expect(await eventsOf(job)).toMatchObject([{ kind: 'asset.stored', data: { attempt: 1, bytes: 1_000 } }]);
  });

  test('twice at once: one copy, one event, and both are told that it is kept', async () => {
    const job = await bench.finishJob();
    await begin(job);
    const sizes = [1, 2, 3, 4, 5, 6, 7, 8];
    const verdicts = await Promise.all(sizes.map((bytes) => keep(job, { bytes })));
    expect(new Set(verdicts)).toEqual(new Set(['kept']));
    expect(await bench.count('assets', job)).toBe(1);
    expect(await eventsOf(job)).toHaveLength(1);
  });

  test('at the same moment as a cancel: whoever is first, no copy is left without its end', async () => {
    for (let round = 0; round < 10; round += 1) {
      const job = await bench.finishJob();
      await begin(job);
      const [verdict] = await Promise.all([keep(job), cancel(job)]);
      const asset = await bench.row<{ stored: boolean; due: boolean }>(
        `SELECT stored_at IS NOT NULL AS stored, expires_at <= clock_timestamp() AS due FROM assets WHERE job = $1`,
        job,
      );
      const expected = verdict === 'kept' ? { stored: true, due: true } : { stored: false, due: false };
      expect(asset).toEqual(expected);
    }
  });

  test('of a job that has ended keeps nothing', async () => {
    const job = await bench.finishJob();
    await begin(job);
    await cancel(job);
    expect(await keep(job)).toBe('job_final');
    expect(await assetOf(job)).toMatchObject({ stored_at: null });
    expect(await eventsOf(job)).toEqual([]);
  });

  test('of a copy that another try had given up counts: it is there', async () => {
    const job = await bench.finishJob();
    await begin(job);
    await fail(job);
    expect(await keep(job)).toBe('kept');
    expect(await assetOf(job)).toMatchObject({ failure: null, stored_at: expect.any(Date) });
  });

  test.each([
    { what: 'without bytes', facts: { bytes: 0 }, constraint: 'an_asset_is_not_empty' },
    { what: 'with half a digest', facts: { sha256: new Uint8Array(16) }, constraint: 'sha256_is_whole' },
  ])('refuses a copy $what', async ({ facts, constraint }) => {
    const job = await bench.finishJob();
    await expect(keep(job, facts)).rejects.toThrow(constraint);
  });

  test('refuses a copy of an attempt that the ledger does not have', async () => {
    await expect(keep(await bench.acceptJob())).rejects.toThrow('violates foreign key');
  });
});

describe('fail_asset', () => {
  test('says why there is none, once, and the first word stands', async () => {
    const job = await bench.finishJob();
    await begin(job);
    expect(await fail(job)).toEqual({ verdict: 'failed', failure });
    const other = failureOf('output_expired', { vendorCode: 'too_large' });
    expect(await fail(job, other)).toEqual({ verdict: 'failed', failure });
    expect(await eventsOf(job)).toMatchObject([
      { kind: 'asset.failed', data: { attempt: 1, failure: 'output_expired' } },
    ]);
  });

  test.each([
    { what: 'of a copy that is there', prepare: keep, verdict: 'kept' },
    { what: 'of a job that has ended', prepare: cancel, verdict: 'job_final' },
  ])('$what changes nothing', async ({ prepare, verdict }) => {
    const job = await bench.finishJob();
    await begin(job);
    await prepare(job);
    expect(await fail(job)).toMatchObject({ verdict });
    expect(await assetOf(job)).toMatchObject({ failure: null });
  });
});

describe('a workflow that begins anew finds', () => {
  test.each<{ what: string; prepare: (job: string) => Promise<unknown>; known: object }>([
    { what: 'a video that is not ours yet', prepare: async () => undefined, known: { phase: 'finished' } },
    { what: 'a copy that was begun', prepare: begin, known: { phase: 'finished' } },
    { what: 'a copy that is ours', prepare: keep, known: { phase: 'stored' } },
    {
      what: 'a copy that there never will be',
      prepare: async (job) => {
        await begin(job);
        await fail(job);
      },
      known: { phase: 'failed', failure },
    },
  ])('$what', async ({ prepare, known }) => {
    const job = await bench.finishJob();
    await prepare(job);
    expect(await findKnownRun(bench.pool, job)).toMatchObject({ known: [{ attempt: 1, target: 0, ...known }] });
  });
});
