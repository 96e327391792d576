import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginAsset } from '../../src/db/jobs/assets.ts';
import { answerAttempt, beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { setSpendCap } from '../../src/db/scheduler/pools.ts';
import { listAttempts, listEvents } from '../../src/db/jobs/read-jobs.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from './ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(async () => {
  await bench.drop();
});

async function begun(): Promise<{ job: string; token: string }> {
  const job = await bench.acceptJob();
  const [grant = ''] = await bench.grant(job);
  const order = beginOrder(job, grant);
  expect(await beginAttempt(bench.pool, order)).toMatchObject({ verdict: 'go' });
  return { job, token: order.token };
}

const attemptOf = (job: string, attempt = 1) =>
  bench.row<Record<string, unknown>>('SELECT * FROM attempts WHERE job = $1 AND attempt = $2', job, attempt);
const jobOf = (job: string) => bench.row<Record<string, unknown>>('SELECT * FROM jobs WHERE id = $1', job);

describe('begin_attempt allows one POST, once', () => {
  test('a granted ticket of an open job may be sent, and the job is in progress from then on', async () => {
    const { job } = await begun();
    expect(await jobOf(job)).toMatchObject({
      phase: 'in_progress',
      started_at: expect.any(Date),
      run_deadline: expect.any(Date),
    });
    expect(await attemptOf(job)).toMatchObject({ state: 'submitting', ended_at: null });
  });

  test('whoever begins a second time is told the state and never that it may POST', async () => {
    const job = await bench.acceptJob();
    const [grant = ''] = await bench.grant(job);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => beginAttempt(bench.pool, beginOrder(job, grant))),
    );
    expect(answers.filter(({ verdict }) => verdict === 'go')).toHaveLength(1);
    expect(answers.filter(({ verdict }) => verdict === 'submitting' || verdict === 'unknown')).toHaveLength(9);
    expect(await bench.count('attempts', job)).toBe(1);
    expect(await attemptOf(job)).toMatchObject({ state: 'unknown' });
  });

  test.each([
    { state: 'accepted' as const, operation: 'op-begin-1', verdict: 'accepted' },
    { state: 'unknown' as const, operation: null, verdict: 'unknown' },
  ])('an attempt that was $state says so', async ({ state, operation, verdict }) => {
    const { job } = await begun();
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state, operation });
    expect(await beginAttempt(bench.pool, beginOrder(job, '0'))).toMatchObject({ verdict });
  });

  test('a refused attempt gives its failure back', async () => {
    const { job } = await begun();
    const failure = failureOf('rate_limited', { retryAfterMs: 2_000 });
    await endAttempt(bench.pool, { jobId: job, attempt: 1, evidence: 'refusal', outcome: 'failed', failure });
    expect(await beginAttempt(bench.pool, beginOrder(job, '0'))).toMatchObject({ verdict: 'refused', failure });
  });

  test('a permit of another grant, attempt or job is no permit', async () => {
    const [job, other] = [await bench.acceptJob(), await bench.acceptJob()];
    const [grant = '', foreign = ''] = await bench.grant(job, other);
    expect(await beginAttempt(bench.pool, beginOrder(job, foreign))).toMatchObject({ verdict: 'permit_lost' });
    expect(await beginAttempt(bench.pool, beginOrder(job, grant, 2))).toMatchObject({ verdict: 'permit_lost' });
    expect(await bench.count('attempts', job)).toBe(0);
  });

  test('a job cancelled between grant and start is never bought', async () => {
    const job = await bench.acceptJob();
    const [grant = ''] = await bench.grant(job);
    await bench.pool.query(`SELECT request_cancel($1, 'default')`, [job]);
    expect(await beginAttempt(bench.pool, beginOrder(job, grant))).toMatchObject({ verdict: 'job_final' });
    expect(await bench.count('attempts', job)).toBe(0);
    expect(await bench.count('permits', job)).toBe(0);
  });

  test('a job that has ended needs its attempt no more: it is noted as unknown, and nobody waits for it', async () => {
    const { job } = await begun();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await beginAttempt(bench.pool, beginOrder(job, '0'))).toMatchObject({ verdict: 'job_final' });
    expect(await attemptOf(job)).toMatchObject({ state: 'unknown', ended_at: null });
    expect(await beginAttempt(bench.pool, beginOrder(job, '0'))).toMatchObject({ verdict: 'job_final' });
  });

  test('after a cancel of a job under way no further attempt begins', async () => {
    const { job } = await begun();
    await bench.pool.query(`SELECT request_cancel($1, 'default')`, [job]);
    expect(await beginAttempt(bench.pool, beginOrder(job, '0', 2))).toMatchObject({ verdict: 'cancel_requested' });
  });
});

describe('answer_attempt', () => {
  test('accepted stands against everything that comes later, and is reached from unknown', async () => {
    const { job } = await begun();
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'unknown', operation: null });
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: 'op-late' });
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'unknown', operation: null });
    expect(await attemptOf(job)).toMatchObject({ state: 'accepted', operation: 'op-late' });
  });

  test('unknown says why, until the answer is known', async () => {
    const { job } = await begun();
    const failure = failureOf('unreachable', { vendorCode: 'http_502' });
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'unknown', operation: null, failure });
    expect(await listAttempts(bench.pool, { id: job, tenant: 'default' })).toMatchObject([
      { state: 'unknown', failure },
    ]);
    expect((await listEvents(bench.pool, { id: job, tenant: 'default' })).at(-1)).toMatchObject({
      kind: 'attempt.unknown',
      data: { attempt: 1, failure: 'unreachable' },
    });
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: `why-${job}` });
    expect(await attemptOf(job)).toMatchObject({ state: 'accepted', failure: null });
  });

  test('one operation belongs to one attempt', async () => {
    const [one, other] = [await begun(), await begun()];
    await answerAttempt(bench.pool, { jobId: one.job, attempt: 1, state: 'accepted', operation: 'op-shared' });
    const stolen = answerAttempt(bench.pool, {
      jobId: other.job,
      attempt: 1,
      state: 'accepted',
      operation: 'op-shared',
    });
    await expect(stolen).rejects.toThrow('an_operation_is_adopted_once');
  });
});

describe('end_attempt', () => {
  test('ends once, releases the permit and books the cost, whoever comes first', async () => {
    const { job } = await begun();
    const end = {
      jobId: job,
      attempt: 1,
      outcome: 'finished',
      operation: 'op-end',
      videoUrl: 'https://example.com/v.mp4',
    } as const;
    const [first, ...rest] = [
      await endAttempt(bench.pool, { ...end, evidence: 'callback' }),
      await endAttempt(bench.pool, { ...end, evidence: 'check' }),
      await endAttempt(bench.pool, { jobId: job, attempt: 1, evidence: 'longest_duration', outcome: 'lost' }),
    ];
    expect([first, ...rest]).toEqual([true, false, false]);
    expect(await bench.count('permits', job)).toBe(0);
    expect(await attemptOf(job)).toMatchObject({
      evidence: 'callback',
      outcome: 'finished',
      state: 'accepted',
      cost_usd_micros: '500000',
    });
  });

  test('what another operation reports proves nothing', async () => {
    const { job } = await begun();
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: 'op-mine' });
    const ended = await endAttempt(bench.pool, {
      jobId: job,
      attempt: 1,
      evidence: 'callback',
      outcome: 'finished',
      operation: 'op-other',
    });
    expect(ended).toBe(false);
    expect(await bench.count('permits', job)).toBe(1);
  });

  test('a failure that the provider reports costs nothing', async () => {
    const { job } = await begun();
    await endAttempt(bench.pool, {
      jobId: job,
      attempt: 1,
      evidence: 'check',
      outcome: 'failed',
      operation: 'op-f',
      failure: failureOf('provider_failed'),
    });
    expect(await attemptOf(job)).toMatchObject({ cost_usd_micros: '0', outcome: 'failed' });
  });

  test('it works after the job was settled: a late callback still frees its slot', async () => {
    const { job } = await begun();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await bench.row('SELECT zombie_since IS NOT NULL AS zombie FROM permits WHERE job = $1', job)).toEqual({
      zombie: true,
    });
    const ended = await endAttempt(bench.pool, {
      jobId: job,
      attempt: 1,
      evidence: 'callback',
      outcome: 'finished',
      operation: 'op-z',
    });
    expect(ended).toBe(true);
    expect(await bench.count('permits', job)).toBe(0);
    expect(await jobOf(job)).toMatchObject({ phase: 'cancelled' });
  });

  test('an attempt that nobody began cannot end', async () => {
    const job = await bench.acceptJob();
    expect(await endAttempt(bench.pool, { jobId: job, attempt: 1, evidence: 'check', outcome: 'finished' })).toBe(
      false,
    );
  });
});

describe('settle_job', () => {
  test('the first verdict stands; everybody is told the same one', async () => {
    const { job } = await begun();
    await endAttempt(bench.pool, {
      jobId: job,
      attempt: 1,
      evidence: 'callback',
      outcome: 'finished',
      operation: `op-${job}`,
    });
    await bench.keepVideo(job);
    const verdicts = await Promise.all([
      settleJob(bench.pool, job, { phase: 'completed', attempt: 1 }),
      settleJob(bench.pool, job, { phase: 'cancelled' }),
      settleJob(bench.pool, job, { phase: 'failed', failure: failureOf('timed_out', { retry: 'never' }) }),
    ]);
    expect(new Set(verdicts.map((verdict) => verdict?.phase)).size).toBe(1);
    expect(verdicts.filter((verdict) => verdict?.settledNow)).toHaveLength(1);
    const finals = await bench.row(
      `SELECT count(*)::int AS count FROM job_events WHERE job = $1 AND kind IN ('job.completed', 'job.failed', 'job.cancelled')`,
      job,
    );
    expect(finals).toEqual({ count: 1 });
  });

  test('drops the place in line and releases a permit that was never used', async () => {
    const [waiting, granted] = [await bench.acceptJob(), await bench.acceptJob()];
    await bench.grant(granted);
    for (const job of [waiting, granted]) await settleJob(bench.pool, job, { phase: 'cancelled' });
    for (const job of [waiting, granted]) {
      expect(await bench.count('tickets', job)).toBe(0);
      expect(await bench.count('permits', job)).toBe(0);
    }
  });

  test.each<{ what: string; prepare: () => Promise<string> }>([
    { what: 'has not finished', prepare: async () => (await begun()).job },
    { what: 'has finished, and its video is not ours yet', prepare: () => bench.finishJob() },
    {
      what: 'has finished, and its copy was only begun',
      prepare: async () => {
        const job = await bench.finishJob();
        await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'assets/begun.mp4' });
        return job;
      },
    },
    {
      what: 'has finished, and its copy is gone',
      prepare: async () => {
        const job = await bench.finishJob();
        await bench.keepVideo(job);
        await bench.pool.query('UPDATE assets SET removed_at = now() WHERE job = $1', [job]);
        return job;
      },
    },
  ])('a job cannot complete by an attempt that $what', async ({ prepare }) => {
    const job = await prepare();
    await expect(settleJob(bench.pool, job, { phase: 'completed', attempt: 1 })).rejects.toThrow(
      'of which there is no copy',
    );
    expect(await jobOf(job)).toMatchObject({ phase: 'in_progress' });
  });

  test('a copy that serves nobody is due for removal at once, the one that serves is not', async () => {
    const isDue = (job: string) =>
      bench.row('SELECT expires_at <= clock_timestamp() AS due FROM assets WHERE job = $1', job);
    const [served, cancelled, copying] = [await bench.finishJob(), await bench.finishJob(), await bench.finishJob()];
    for (const job of [served, cancelled]) await bench.keepVideo(job);
    await beginAsset(bench.pool, { jobId: copying, attempt: 1, key: 'assets/copying.mp4' });
    await settleJob(bench.pool, served, { phase: 'completed', attempt: 1 });
    for (const job of [cancelled, copying]) await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect([await isDue(served), await isDue(cancelled)]).toEqual([{ due: false }, { due: true }]);
    // Somebody may be writing it this very moment.
    expect(await isDue(copying)).toEqual({ due: false });
  });

  test('an unknown job has no verdict', async () => {
    expect(
      await settleJob(bench.pool, 'video_018f0000-0000-7000-8000-000000000000', { phase: 'cancelled' }),
    ).toBeUndefined();
  });
});

describe('receive_callback', () => {
  const receive = async (call: {
    job: string;
    token: string;
    body: string;
    outcome: string | null;
    operation: string;
  }): Promise<unknown> => {
    const row = await bench.row<{ answer: string }>(
      `SELECT receive_callback($1, 1, $2, sha256($3::bytea), 'report', $4, $5, 'https://example.com/v.mp4', NULL) AS answer`,
      call.job,
      call.token,
      call.body,
      call.outcome,
      call.operation,
    );
    return row.answer;
  };

  test('early, duplicated and late ones: one end, one piece of mail', async () => {
    const { job, token } = await begun();
    const report = { job, token, body: 'done', outcome: 'finished', operation: `early-${job}` };
    expect(await receive(report)).toBe('recorded');
    expect(await receive(report)).toBe('duplicate');
    expect(await receive({ ...report, body: 'done, again' })).toBe('late');
    // The answer to the POST arrives after its callback and changes nothing.
    await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: `early-${job}` });
    expect(await attemptOf(job)).toMatchObject({ outcome: 'finished', state: 'accepted' });
    expect(
      await bench.row(`SELECT count(*)::int AS count FROM mailbox WHERE job = $1 AND kind = 'callback'`, job),
    ).toEqual({ count: 1 });
  });

  test('a token that is none of ours is an unknown attempt, and nothing is kept', async () => {
    const { job } = await begun();
    expect(await receive({ job, token: 'guessed', body: 'x', outcome: 'finished', operation: 'op-g' })).toBe(
      'unknown_attempt',
    );
    expect(await bench.count('callback_inbox', job)).toBe(0);
    expect(await bench.count('permits', job)).toBe(1);
  });

  test('news of a job under way names its operation, and ends nothing', async () => {
    const { job, token } = await begun();
    expect(await receive({ job, token, body: 'running', outcome: null, operation: `run-${job}` })).toBe('recorded');
    expect(await attemptOf(job)).toMatchObject({ state: 'accepted', operation: `run-${job}`, ended_at: null });
  });

  test('after the job was settled nobody has to be told', async () => {
    const { job, token } = await begun();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await receive({ job, token, body: 'late', outcome: 'finished', operation: `zz-${job}` })).toBe('recorded');
    expect(
      await bench.row(`SELECT count(*)::int AS count FROM mailbox WHERE job = $1 AND kind = 'callback'`, job),
    ).toEqual({ count: 0 });
    expect(await bench.count('permits', job)).toBe(0);
  });
});

describe('queue_attempt', () => {
  const request = (jobId: string, kind: 'retry' | 'overlap', attempt = 2) =>
    ({ jobId, ticket: { attempt, target: 0, kind }, waitMs: 0 }) as const;

  test('at most one waiting ticket a job; an overlap becomes a retry when its sibling has ended', async () => {
    const { job } = await begun();
    expect(await queueAttempt(bench.pool, request(job, 'overlap'))).toBe('queued');
    expect(await queueAttempt(bench.pool, request(job, 'overlap'))).toBe('queued');
    expect(await bench.count('tickets', job)).toBe(1);
    await queueAttempt(bench.pool, request(job, 'retry'));
    expect(
      await bench.row(
        'SELECT kind, accepted_at = (SELECT accepted_at FROM jobs WHERE id = job) AS "atTheHead" FROM tickets WHERE job = $1',
        job,
      ),
    ).toEqual({
      kind: 'retry',
      atTheHead: true,
    });
  });

  test('asked again after the grant it adds no second place', async () => {
    const { job } = await begun();
    await queueAttempt(bench.pool, request(job, 'retry'));
    await bench.grant(job);
    expect(await queueAttempt(bench.pool, request(job, 'retry'))).toBe('granted');
    expect(await bench.count('tickets', job)).toBe(0);
  });

  test.each([
    { end: 'final', sql: `SELECT settle_job($1, 'cancelled', NULL, NULL)`, answer: 'job_final' },
    { end: 'being cancelled', sql: `SELECT request_cancel($1, 'default')`, answer: 'cancel_requested' },
  ])('a job that is $end gets no place', async ({ sql, answer }) => {
    const { job } = await begun();
    await bench.pool.query(sql, [job]);
    expect(await queueAttempt(bench.pool, request(job, 'retry'))).toBe(answer);
    expect(await bench.count('tickets', job)).toBe(0);
  });
});

describe('request_cancel', () => {
  const cancel = async (job: string, tenant = 'default') =>
    (await bench.row<{ phase: string | null }>('SELECT request_cancel($1, $2) AS phase', job, tenant)).phase;

  test('another tenant’s job does not exist', async () => {
    expect(await cancel(await bench.acceptJob(), 'somebody')).toBeNull();
  });

  test('a queued job ends at once, a begun one by its workflow, a final one stays as it is', async () => {
    const queued = await bench.acceptJob();
    expect([await cancel(queued), await cancel(queued)]).toEqual(['cancelled', 'cancelled']);
    const { job } = await begun();
    expect([await cancel(job), await cancel(job)]).toEqual(['cancelling', 'cancelling']);
    expect(
      await bench.row(`SELECT count(*)::int AS count FROM mailbox WHERE job = $1 AND kind = 'cancel'`, job),
    ).toEqual({ count: 1 });
  });
});

describe('events', () => {
  test('their numbers are dense, from one, whoever writes', async () => {
    const { job } = await begun();
    await Promise.all([
      answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: `dense-${job}` }),
      bench.pool.query(`SELECT request_cancel($1, 'default')`, [job]),
      settleJob(bench.pool, job, { phase: 'cancelled' }),
    ]);
    const row = await bench.row<{ dense: boolean }>(
      `SELECT array_agg(seq ORDER BY seq) = array(SELECT generate_series(1, (SELECT event_seq FROM jobs WHERE id = $1))) AS dense
       FROM job_events WHERE job = $1`,
      job,
    );
    expect(row.dense).toBe(true);
  });
});

describe('money', () => {
  test('a new cap counts what the ledger holds, and unused reservations come back', async () => {
    const { job } = await begun();
    await setSpendCap(bench.pool, 100_000_000);
    const before = await bench.row<{ committed: string }>(`SELECT committed_usd_micros AS committed FROM budgets`);
    expect(Number(before.committed)).toBeGreaterThanOrEqual(500_000);
    await endAttempt(bench.pool, {
      jobId: job,
      attempt: 1,
      evidence: 'check',
      outcome: 'failed',
      operation: `m-${job}`,
    });
    expect(await bench.row('SELECT sum(usd_micros)::int AS refunded FROM refunds')).toEqual({ refunded: 500_000 });
    await setSpendCap(bench.pool, null);
  });
});
