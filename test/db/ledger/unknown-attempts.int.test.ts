import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerAttempt, beginAttempt, endAttempt } from '../../../src/db/ledger/attempts.ts';
import { receiveCallback } from '../../../src/db/mailbox/callbacks.ts';
import { listAttempts, listEvents } from '../../../src/db/jobs/read-jobs.ts';
import { adoptFromList, decideUnknown, takeUnknownCounts } from '../../../src/db/ledger/unknown-attempts.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from './ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(async () => await bench.drop());
beforeEach(async () => void (await takeUnknownCounts(bench.pool)));

/** A job whose first attempt was begun, and what names it. */
async function begun() {
  const jobId = await bench.acceptJob();
  const [grant = ''] = await bench.grant(jobId);
  await beginAttempt(bench.pool, beginOrder(jobId, grant));
  return { jobId, attempt: 1, operation: `op-${jobId}` };
}

async function unknown() {
  const attempt = await begun();
  await answerAttempt(bench.pool, { ...attempt, state: 'unknown', operation: null });
  return attempt;
}

type Attempt = Awaited<ReturnType<typeof begun>>;

async function attemptOf({ jobId }: Attempt) {
  const [attempt] = await listAttempts(bench.pool, { id: jobId, tenant: 'default' });
  return attempt;
}

const storyOf = async ({ jobId }: Attempt) =>
  (await listEvents(bench.pool, { id: jobId, tenant: 'default' }))
    .filter(({ kind }) => kind.startsWith('attempt.') && kind !== 'attempt.started')
    .map(({ kind, data }) => ('by' in data ? `${kind} ${String(data['by'])}` : kind));

const end = ({ jobId, attempt }: Attempt) => ({ jobId, attempt, failure: failureOf('timed_out') });

async function callBack(attempt: Attempt, outcome?: 'finished') {
  const { token } = await bench.row<{ token: string }>('SELECT token FROM attempts WHERE job = $1', attempt.jobId);
  const report = { bodySha256: randomBytes(32), kind: outcome ?? 'running', operation: attempt.operation };
  return await receiveCallback(bench.pool, { ...attempt, token }, { ...report, ...(outcome && { outcome }) });
}

describe('an ambiguous submit', () => {
  test('says since when, once, whoever noticed', async () => {
    const [told, asked] = [await unknown(), await begun()];
    await beginAttempt(bench.pool, beginOrder(asked.jobId, '0'));
    await beginAttempt(bench.pool, beginOrder(asked.jobId, '0'));
    for (const attempt of [told, asked]) {
      expect(await attemptOf(attempt)).toMatchObject({
        unknownAt: expect.any(Date),
        resolvedBy: null,
        resolvedAt: null,
      });
      expect(await storyOf(attempt)).toEqual(['attempt.unknown']);
    }
    expect(await takeUnknownCounts(bench.pool)).toEqual([{ target: 'vendor/model', by: null, count: 2 }]);
  });

  test.each([
    {
      by: 'answer',
      prove: (attempt: Attempt) => answerAttempt(bench.pool, { ...attempt, state: 'accepted' }),
      next: 'attempt.accepted',
    },
    {
      by: 'answer',
      prove: (attempt: Attempt) =>
        endAttempt(bench.pool, { ...end(attempt), evidence: 'refusal', outcome: 'failed', failure: failureOf('auth') }),
      next: 'attempt.ended',
    },
    { by: 'list', prove: (attempt: Attempt) => adoptFromList(bench.pool, attempt), next: 'attempt.accepted' },
    { by: 'callback', prove: (attempt: Attempt) => callBack(attempt), next: 'attempt.accepted' },
    { by: 'callback', prove: (attempt: Attempt) => callBack(attempt, 'finished'), next: 'attempt.ended' },
    {
      by: 'longest_duration',
      prove: (attempt: Attempt) =>
        endAttempt(bench.pool, { ...end(attempt), evidence: 'longest_duration', outcome: 'lost' }),
      next: 'attempt.ended',
    },
  ])('is settled by $by with $next: a fact, an event, a count', async ({ by, prove, next }) => {
    const attempt = await unknown();
    await prove(attempt);
    expect(await attemptOf(attempt)).toMatchObject({ unknownAt: expect.any(Date), resolvedBy: by });
    expect(await storyOf(attempt)).toEqual(['attempt.unknown', `attempt.resolved ${by}`, next]);
    const counts = await takeUnknownCounts(bench.pool);
    expect(counts).toHaveLength(2);
    expect(counts).toContainEqual({ target: 'vendor/model', by, count: 1 });
    expect(await takeUnknownCounts(bench.pool)).toEqual([]);
  });

  test('that nobody asked for again, its worker dead, is noted at the latest when it lasted too long', async () => {
    const attempt = await begun();
    await endAttempt(bench.pool, { ...end(attempt), evidence: 'longest_duration', outcome: 'lost' });
    expect(await attemptOf(attempt)).toMatchObject({ state: 'unknown', resolvedBy: 'longest_duration' });
    expect(await storyOf(attempt)).toEqual(['attempt.unknown', 'attempt.resolved longest_duration', 'attempt.ended']);
  });
});

describe('what was never ambiguous', () => {
  test.each([
    { what: 'answered', act: (attempt: Attempt) => answerAttempt(bench.pool, { ...attempt, state: 'accepted' }) },
    { what: 'called back before its answer', act: (attempt: Attempt) => callBack(attempt) },
    { what: 'ended by a callback before its answer', act: (attempt: Attempt) => callBack(attempt, 'finished') },
  ])('$what, has nothing to settle', async ({ act }) => {
    const attempt = await begun();
    await act(attempt);
    expect(await attemptOf(attempt)).toMatchObject({ state: 'accepted', unknownAt: null, resolvedBy: null });
    expect(await adoptFromList(bench.pool, { ...attempt, operation: 'op-other' })).toBe(false);
    expect(await decideUnknown(bench.pool, { ...attempt, policy: 'resubmit' })).toBe(false);
    expect(await attemptOf(attempt)).toMatchObject({ possibleDuplicate: false });
    expect(await takeUnknownCounts(bench.pool)).toEqual([]);
  });
});

describe('the list', () => {
  test('names an operation once: another attempt’s is nobody’s to adopt', async () => {
    const [mine, other] = [await unknown(), await unknown()];
    expect(await adoptFromList(bench.pool, mine)).toBe(true);
    expect(await adoptFromList(bench.pool, mine)).toBe(true);
    expect(await adoptFromList(bench.pool, { ...other, operation: mine.operation })).toBe(false);
    expect(await attemptOf(other)).toMatchObject({ state: 'unknown', resolvedBy: null });
  });

  test('finds also what its dead worker left as being sent', async () => {
    const attempt = await begun();
    expect(await adoptFromList(bench.pool, attempt)).toBe(true);
    expect(await storyOf(attempt)).toEqual(['attempt.unknown', 'attempt.resolved list', 'attempt.accepted']);
    expect(await bench.row('SELECT submitting FROM permits WHERE job = $1', attempt.jobId)).toEqual({
      submitting: false,
    });
  });
});

describe('the policy after the grace', () => {
  test.each([
    { policy: 'wait', possibleDuplicate: false },
    { policy: 'resubmit', possibleDuplicate: true },
    { policy: 'fail', possibleDuplicate: true },
  ] as const)('$policy is decided once, however often it is asked', async ({ policy, possibleDuplicate }) => {
    const attempt = await unknown();
    for (let ask = 0; ask < 2; ask += 1) expect(await decideUnknown(bench.pool, { ...attempt, policy })).toBe(true);
    expect(await attemptOf(attempt)).toMatchObject({ resolvedBy: `grace_${policy}`, possibleDuplicate, endedAt: null });
    expect(await storyOf(attempt)).toEqual(['attempt.unknown', `attempt.resolved grace_${policy}`]);
  });

  test('gives way to a proof that comes after all, and the suspicion of a second payment stays', async () => {
    const attempt = await unknown();
    await decideUnknown(bench.pool, { ...attempt, policy: 'resubmit' });
    expect(await callBack(attempt, 'finished')).toBe('recorded');
    expect(await attemptOf(attempt)).toMatchObject({ resolvedBy: 'callback', possibleDuplicate: true });
    expect(await decideUnknown(bench.pool, { ...attempt, policy: 'resubmit' })).toBe(false);
    expect(await attemptOf(attempt)).toMatchObject({ resolvedBy: 'callback' });
  });

  test('has nothing to decide of what was heard of in the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      const attempt = await unknown();
      const [decided] = await Promise.all([
        decideUnknown(bench.pool, { ...attempt, policy: 'resubmit' }),
        callBack(attempt, 'finished'),
      ]);
      expect(await attemptOf(attempt)).toMatchObject({ resolvedBy: 'callback', possibleDuplicate: decided });
    }
  });
});

test('the schema takes no end of an ambiguous submit that nobody explains', async () => {
  const attempt = await unknown();
  await adoptFromList(bench.pool, attempt);
  const forget = bench.pool.query(
    `UPDATE attempts SET resolved_by = NULL, resolved_at = NULL, ended_at = now(), evidence = 'check', outcome = 'lost' WHERE job = $1`,
    [attempt.jobId],
  );
  await expect(forget).rejects.toThrow('no_end_leaves_it_unknown');
});
