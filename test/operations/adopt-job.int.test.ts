import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NoteOrder } from '../../src/contracts/activities.ts';
import { beginAttempt } from '../../src/db/ledger/attempts.ts';
import { listOrphans } from '../../src/db/retention/orphans.ts';
import { findJobsToAdopt, restorePermit, seedOfAttempt, skipGrants } from '../../src/db/ledger/restore.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { openStory, type AttemptStory, type Story } from '../../src/domain/story.ts';
import { adoptJob, type AdoptDeps, type Adopted } from '../../src/operations/adopt-job.ts';
import type { RememberedJob } from '../../src/operations/remembered-job.ts';
import type { Progress } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey, type ObjectStore } from '../../src/storage/object-store.ts';
import { beginOrder, createLedgerBench, type LedgerBench, target } from '../db/ledger/ledger-bench.ts';
import { auditRecords } from '../support/auditor.ts';

let bench: LedgerBench;
let directory: string;
let store: ObjectStore;
beforeAll(async () => {
  bench = await createLedgerBench();
  directory = await mkdtemp(join(tmpdir(), 'spillway-adopt-'));
  store = createLocalObjectStore(directory);
});
afterAll(async () => {
  await bench.drop();
  await rm(directory, { recursive: true });
});

const videoBytes = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypisom'), Buffer.alloc(100)]);

let grants = 1_000_000;

/** What the workflow of a job remembers of its attempts, which the database does not. */
function remember(
  attempts: readonly Pick<AttemptStory, 'number' | 'phase' | 'failure'>[],
  more: Partial<RememberedJob> = {},
): RememberedJob {
  const now = Date.now();
  const lived = attempts.map((attempt): AttemptStory => {
    grants += 1;
    return { target: 0, grant: String(grants), since: now, checkAt: now, watchedAt: null, ...attempt };
  });
  const story: Story = { ...openStory({ route: [target] }, now), ticket: null, attempts: lived };
  const sent = lived.filter(({ phase }) => phase !== 'granted' && phase !== 'void');
  const submittedAt = new Map(sent.map(({ number }) => [number, now - 60_000]));
  const nothing = {
    operations: new Map(),
    accepted: new Set<number>(),
    copies: [],
    refused: new Set<number>(),
    repairs: [],
  };
  return { story, ...nothing, submittedAt, ...more };
}

async function adopt(job: string, remembered: RememberedJob, changes: Partial<AdoptDeps> = {}): Promise<Adopted> {
  const [found] = await findJobsToAdopt(bench.pool, [job]);
  if (found === undefined) throw new Error('there is no such job');
  const deps = { db: bench.pool, providers: new Map(), store, areVideosGone: false, clock: Date.now };
  return await adoptJob({ ...deps, ...changes }, found, remembered);
}

const attemptOf = (job: string, attempt = 1) =>
  bench.row<{ state: string; operation: string | null; outcome: string | null; token: string; seed: string }>(
    'SELECT state, operation, outcome, token, seed FROM attempts WHERE job = $1 AND attempt = $2',
    job,
    attempt,
  );

const unreachable = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });

/** The invariants, of everything but the end that nobody waits for here. */
const expectSound = async (): Promise<void> =>
  expect(await auditRecords({ pool: bench.pool, accepted: [] })).toEqual([]);

describe('an attempt that was sent after the backup', () => {
  test('is in the ledger again, with its permit, and nobody sends it a second time', async () => {
    const job = await bench.acceptJob();
    expect(await adopt(job, remember([{ number: 1, phase: 'submitting' }]))).toMatchObject({ attempts: 1, named: 0 });
    expect(await attemptOf(job)).toMatchObject({ state: 'unknown', operation: null });
    expect(await bench.count('tickets', job)).toBe(0);
    expect(await bench.count('permits', job)).toBe(1);
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    expect(await beginAttempt(bench.pool, beginOrder(job, grant))).toMatchObject({ verdict: 'unknown' });
    await expectSound();
  });

  test('has the token and the seed that it was sent with', async () => {
    const job = await bench.acceptJob();
    const expected = await bench.row<{ token: string }>('SELECT attempt_token($1, 1) AS token', job);
    await adopt(job, remember([{ number: 1, phase: 'live' }]));
    expect(await attemptOf(job)).toMatchObject({ ...expected, seed: String(await seedOfAttempt(bench.pool, job, 1)) });
    expect(expected.token).toMatch(/^[\w-]{43}$/);
  });

  test('is named where its workflow knows how', async () => {
    const job = await bench.acceptJob();
    await adopt(job, remember([{ number: 1, phase: 'live' }], { operations: new Map([[1, 'op-named']]) }));
    expect(await attemptOf(job)).toMatchObject({ state: 'accepted', operation: 'op-named' });
    await expectSound();
  });

  test('is found once: whoever mends again changes nothing', async () => {
    const job = await bench.acceptJob();
    const remembered = remember([{ number: 1, phase: 'live' }], { operations: new Map([[1, `op-${job}`]]) });
    await adopt(job, remembered);
    expect(await adopt(job, remembered)).toMatchObject({ attempts: 0, queued: false });
    await expectSound();
  });

  test('and was taken under a name that nobody knows waits: no policy buys it again on a guess', async () => {
    const job = await bench.acceptJob();
    await adopt(job, remember([{ number: 1, phase: 'live' }], { accepted: new Set([1]) }));
    const lost = await bench.acceptJob();
    await adopt(lost, remember([{ number: 1, phase: 'unknown' }]));
    // Its workflow was begun anew since, and found it live: no answer to its POST is in this history.
    const found = await bench.acceptJob();
    await adopt(found, remember([{ number: 1, phase: 'live' }]));
    const resolution = (id: string) => bench.row('SELECT state, resolved_by AS by FROM attempts WHERE job = $1', id);
    expect(await resolution(job)).toEqual({ state: 'unknown', by: 'grace_wait' });
    expect(await resolution(found)).toEqual({ state: 'unknown', by: 'grace_wait' });
    expect(await resolution(lost)).toEqual({ state: 'unknown', by: null });
    await expectSound();
  });

  test('of a job that was cancelled since the restore is in the ledger all the same', async () => {
    const job = await bench.acceptJob();
    await bench.pool.query('UPDATE jobs SET cancel_requested_at = now(), dispatched_at = now() WHERE id = $1', [job]);
    expect(await adopt(job, remember([{ number: 1, phase: 'live' }]))).toMatchObject({ attempts: 1, orphans: 0 });
    expect(await attemptOf(job)).toMatchObject({ state: 'unknown' });
    const { wish } = await bench.row<{ wish: Date | null }>(
      'SELECT cancel_requested_at AS wish FROM jobs WHERE id = $1',
      job,
    );
    expect(wish).not.toBeNull();
  });

  test('and that its workflow has seen finished was made, whatever the vendor has forgotten since', async () => {
    const gone: Progress = {
      kind: 'failed',
      failure: failureOf('provider_failed', { vendorCode: 'operation_missing' }),
    };
    const provider = { ...unreachable, check: async () => gone };
    const cases = [
      { phase: 'finished', copies: [] },
      { phase: 'storing', copies: [1] },
      { phase: 'failed', copies: [1] },
      // An operator gave it up before its copy was begun.
      { phase: 'failed', copies: [] },
    ] as const;
    for (const { phase, copies } of cases) {
      const job = await bench.acceptJob();
      const attempt = { number: 1, phase, ...(phase === 'failed' && { failure: failureOf('output_expired') }) };
      const more = { operations: new Map([[1, `op-${job}`]]), copies };
      await adopt(job, remember([attempt], more), { providers: new Map([['vendor', provider]]) });
      expect(await bench.row('SELECT outcome, cost_usd_micros AS cost FROM attempts WHERE job = $1', job)).toEqual({
        outcome: 'finished',
        cost: '500000',
      });
    }
  });

  test('and was refused is ended, with its money back, and the job stands in line for the next', async () => {
    const job = await bench.acceptJob();
    const failed = { number: 1, phase: 'failed', failure: failureOf('rate_limited') } as const;
    expect(await adopt(job, remember([failed], { refused: new Set([1]) }))).toMatchObject({
      attempts: 1,
      queued: true,
    });
    expect(await attemptOf(job)).toMatchObject({ state: 'refused', outcome: 'failed' });
    expect(await bench.row('SELECT attempt FROM tickets WHERE job = $1', job)).toEqual({ attempt: 2 });
    expect(await bench.count('permits', job)).toBe(0);
    await expectSound();
  });
});

test('an attempt that was granted and not sent has its permit again under the same number, and is sent once', async () => {
  const job = await bench.acceptJob();
  const remembered = remember([{ number: 1, phase: 'granted' }]);
  await adopt(job, remembered);
  expect(await bench.count('attempts', job)).toBe(0);
  const grant = remembered.story.attempts[0]?.grant ?? '';
  expect(await beginAttempt(bench.pool, beginOrder(job, grant))).toMatchObject({ verdict: 'go' });
  await expectSound();
});

test('a place in line under a number that its workflow has used goes on under the next', async () => {
  const job = await bench.acceptJob();
  await adopt(job, remember([{ number: 1, phase: 'void' }]));
  expect(await bench.row('SELECT attempt, kind FROM tickets WHERE job = $1', job)).toEqual({
    attempt: 2,
    kind: 'retry',
  });
  await expectSound();
});

test('a verdict that was reached stands, with the video that lies in the object store', async () => {
  const job = await bench.acceptJob();
  await store.write(assetKey({ tenant: 'default', jobId: job, attempt: 1 }), { body: videoBytes });
  const verdict = { phase: 'completed', attempt: 1 } as const;
  const remembered = remember([{ number: 1, phase: 'stored' }], { verdict, operations: new Map([[1, `op-${job}`]]) });
  expect(await adopt(job, remembered)).toMatchObject({ settled: 'completed' });
  const asset = await bench.row<{ bytes: string; type: string }>(
    'SELECT bytes, content_type AS type FROM assets WHERE job = $1',
    job,
  );
  expect(asset).toEqual({ bytes: String(videoBytes.byteLength), type: 'video/mp4' });
  await expectSound();
});

test('a verdict whose video is not in the store leaves the job open: the store may be another one', async () => {
  const job = await bench.acceptJob();
  const remembered = remember([{ number: 1, phase: 'stored' }], { verdict: { phase: 'completed', attempt: 1 } });
  expect(await adopt(job, remembered)).toMatchObject({ isVideoMissing: true, settled: undefined, queued: false });
  expect(await bench.row('SELECT finished_at AS end FROM jobs WHERE id = $1', job)).toEqual({ end: null });
  const written = await store.write(assetKey({ tenant: 'default', jobId: job, attempt: 1 }), { body: videoBytes });
  expect(written).toBeUndefined();
  expect(await adopt(job, remembered)).toMatchObject({ isVideoMissing: false, settled: 'completed' });
});

test('a verdict whose video is gone, as somebody says, ends the job as failed: nothing is completed without its copy', async () => {
  const job = await bench.acceptJob();
  const remembered = remember([{ number: 1, phase: 'stored' }], { verdict: { phase: 'completed', attempt: 1 } });
  expect(await adopt(job, remembered, { areVideosGone: true })).toMatchObject({ settled: 'failed' });
  expect(await bench.row('SELECT failure ->> $2 AS code FROM jobs WHERE id = $1', job, 'code')).toEqual({
    code: 'output_expired',
  });
});

test('a job that has ended stays as it was, and what was sent for it is an orphan', async () => {
  const job = await bench.acceptJob();
  await settleJob(bench.pool, job, { phase: 'cancelled' });
  const remembered = remember([{ number: 1, phase: 'live' }], { operations: new Map([[1, 'op-of-ended']]) });
  expect(await adopt(job, remembered)).toMatchObject({ attempts: 0, settled: undefined, orphans: 1 });
  expect(await bench.count('attempts', job)).toBe(0);
  expect(await listOrphans(bench.pool, 10)).toMatchObject([
    { job, operation: 'op-of-ended', belongsTo: 'an_ended_job', foundBy: 'restore' },
  ]);
});

test('a place in line is past the number of a ticket that a copy withdrew', async () => {
  const job = await bench.acceptJob();
  const failed = { number: 1, phase: 'failed', failure: failureOf('rate_limited') } as const;
  expect(await adopt(job, remember([failed], { refused: new Set([1]), copies: [1] }))).toMatchObject({ queued: true });
  expect(await bench.row('SELECT attempt FROM tickets WHERE job = $1', job)).toEqual({ attempt: 3 });
});

test('a number that somebody granted since the restore is no hindrance', async () => {
  await skipGrants(bench.pool, 2_000_000n);
  const { next } = await bench.row<{ next: string }>(
    `SELECT nextval(pg_get_serial_sequence('permits', 'grant_id'))::text AS next`,
  );
  const numbers = [1, 2, 3].map((step) => String(BigInt(next) + BigInt(step)));
  for (const grant of [...numbers, numbers[0] ?? '']) {
    const jobId = await bench.acceptJob();
    expect(await restorePermit(bench.pool, { jobId, attempt: 1, target: 0, grant })).toBe('restored');
  }
});

test('grants to come are above all that workflows were given', async () => {
  await skipGrants(bench.pool, 5_000_000n);
  const job = await bench.acceptJob();
  const [grant = ''] = await bench.grant(job);
  expect(BigInt(grant)).toBeGreaterThan(5_000_000n);
});

describe('what an operator did since the backup', () => {
  const order = (jobId: string, more: Partial<NoteOrder>): NoteOrder => ({
    jobId,
    request: `${jobId}:update-1`,
    run: 'run-1',
    repair: 'extendDeadline',
    by: 'ann',
    reason: 'the vendor is slow',
    ...more,
  });
  const leftMs = async (job: string): Promise<number> => {
    const { left } = await bench.row<{ left: number }>(
      'SELECT extract(epoch FROM coalesce(run_deadline, queue_deadline) - now())::float8 * 1000 AS left FROM jobs WHERE id = $1',
      job,
    );
    return left;
  };
  const twoDaysMs = 2 * 86_400_000;

  test('gives the job its time again, once, and is written down again', async () => {
    const job = await bench.acceptJob();
    const repairs = [order(job, { seconds: twoDaysMs / 1_000 })];
    const remembered = remember([{ number: 1, phase: 'live' }], { operations: new Map([[1, `op-${job}`]]), repairs });
    await adopt(job, remembered);
    const left = await leftMs(job);
    expect(left).toBeGreaterThan(twoDaysMs - 3_600_000);
    await adopt(job, remembered);
    expect(await leftMs(job)).toBeLessThanOrEqual(left);
    const { rows } = await bench.pool.query('SELECT actor, action, reason FROM operator_actions WHERE subject = $1', [
      job,
    ]);
    expect(rows).toEqual([{ actor: 'ann', action: 'extendDeadline', reason: 'the vendor is slow' }]);
    await expectSound();
  });

  test('had a copy given up for another attempt: that stands in line again, where it was to go', async () => {
    const job = await bench.acceptJob({ route: [target, { ...target, name: 'vendor/other' }] });
    const wish = order(job, { repair: 'switchTarget', target: 1, force: true, copies: [1] });
    const expired = { number: 1, phase: 'failed', failure: failureOf('output_expired') } as const;
    const given = remember([expired], { copies: [1], repairs: [wish] });
    const route = [target, { ...target, name: 'vendor/other' }];
    const answered = { id: 'update-1', target: 1, isForced: true, answer: 'queued' } as const;
    const story: Story = { ...given.story, route, ticket: { attempt: 2, target: 1, kind: 'retry' }, wish: answered };
    expect(await adopt(job, { ...given, story })).toMatchObject({ attempts: 1, queued: true });
    // It was made, and is paid for.
    expect(await attemptOf(job)).toMatchObject({ outcome: 'finished' });
    const place = await bench.row('SELECT target_name AS at FROM tickets WHERE job = $1', job);
    expect(place).toEqual({ at: 'vendor/other' });
    await expectSound();
  });

  test('bought another attempt beside one that is live: its place is not lost', async () => {
    const job = await bench.acceptJob();
    const live = remember([{ number: 1, phase: 'live' }], { operations: new Map([[1, `op-${job}`]]) });
    const story: Story = { ...live.story, ticket: { attempt: 2, target: 0, kind: 'overlap' } };
    expect(await adopt(job, { ...live, story })).toMatchObject({ queued: true });
    expect(await bench.row('SELECT attempt, kind FROM tickets WHERE job = $1', job)).toEqual({
      attempt: 2,
      kind: 'overlap',
    });
  });

  test('sent what waits for its first permit elsewhere: it waits there again', async () => {
    const route = [target, { ...target, name: 'vendor/other' }];
    const job = await bench.acceptJob({ route });
    const moved = { id: 'update-1', target: 1, isForced: false, answer: 'moved' } as const;
    const none = remember([]);
    const story: Story = { ...none.story, route, ticket: { attempt: 1, target: 1, kind: 'first' }, wish: moved };
    await adopt(job, { ...none, story });
    const place = await bench.row('SELECT target_name AS at, attempt FROM tickets WHERE job = $1', job);
    expect(place).toEqual({ at: 'vendor/other', attempt: 1 });
  });
});
