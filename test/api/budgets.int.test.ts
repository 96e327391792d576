import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Wish } from '../../src/catalogue/plan.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { grantPass } from '../../src/dispatch/grant-pass.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { intercept } from '../db/intercept.ts';
import { until } from '../support/until.ts';
import { type ApiBench, openApiBench, planOneTarget, target } from './api-bench.ts';
import { makeTenant, type TestKey } from './make-tenant.ts';

const price = target.priceUsdMicros ?? 0;
const body = { prompt: 'a fox', model: 'wan-2.6' };

let bench: ApiBench;
const wishes: Wish[] = [];
beforeAll(async () => {
  bench = await openApiBench({
    plan(wish) {
      wishes.push(wish);
      return planOneTarget(wish);
    },
  });
  await upsertPools(bench.database.pool, [
    { id: target.pool, provider: target.provider, outstandingMax: 100, perMinuteMax: 60_000 },
  ]);
});
afterAll(() => bench.close());

interface Answer {
  readonly [key: string]: unknown;
  readonly id: string;
}

async function read(response: Response): Promise<Answer> {
  const answer: Answer = await response.json();
  return answer;
}

describe('a tenant with a budget', () => {
  let key: TestKey;
  beforeAll(async () => {
    key = await makeTenant(bench, 'frugal', { day_budget_usd_micros: 2 * price, month_budget_usd_micros: 40 * price });
  });

  test('is told what a video is expected to cost, and gets no target whose price is unknown', async () => {
    const response = await bench.post(body, { ...key.headers, 'idempotency-key': 'first' });
    expect(response.status).toBe(202);
    expect(await read(response)).toMatchObject({ estimated_cost_usd: 0.5, cost_usd: null });
    expect(wishes.at(-1)).toMatchObject({ pricesNeeded: true });
  });

  test('is refused beyond it, by a 402 that says what is left and that it is in vain to try again', async () => {
    expect((await bench.post(body, key.headers)).status).toBe(202);
    const response = await bench.post(body, { ...key.headers, 'idempotency-key': 'late' });
    expect(response.status).toBe(402);
    expect(response.headers.get('x-should-retry')).toBe('false');
    const problem = await read(response);
    expect(problem).toMatchObject({ code: 'budget_exceeded' });
    expect(problem['detail']).toMatch(
      /needs 0\.50 USD, and the budget of the day leaves 0\.00 USD\. The next day begins at \d{4}-\d\d-\d\dT00:00:00Z/,
    );
  });

  test('gets the replay of what was accepted, and a key that was refused is as new as before', async () => {
    const again = await bench.post(body, { ...key.headers, 'idempotency-key': 'first' });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    await bench.database.pool.query(`UPDATE tenants SET day_budget_usd_micros = $1 WHERE id = 'frugal'`, [3 * price]);
    const late = await bench.post(body, { ...key.headers, 'idempotency-key': 'late' });
    expect([late.status, late.headers.get('idempotency-replayed')]).toEqual([202, null]);
  });

  test('reads what its jobs hold', async () => {
    const usage = await read(await bench.get('/v1/usage', key.headers));
    expect(usage).toMatchObject({
      object: 'usage',
      group_by: 'day',
      data: [{ jobs: { queued: 3, completed: 0 }, attempts: 0, seconds: 0, cost_usd: 0 }],
      budgets: {
        day: { limit_usd: 1.5, committed_usd: 1.5, left_usd: 0 },
        month: { limit_usd: 20, committed_usd: 1.5, left_usd: 18.5 },
      },
    });
    expect(await read(await bench.get('/v1/usage'))).toMatchObject({
      data: [],
      budgets: { day: { limit_usd: null, committed_usd: null, left_usd: null } },
    });
  });
});

describe('what was used', () => {
  let key: TestKey;
  beforeAll(async () => {
    key = await makeTenant(bench, 'busy');
    const { pool } = bench.database;
    await pool.query(`SELECT settle_job(id, 'cancelled', NULL, NULL) FROM jobs`);
    const ids: string[] = [];
    for (const seconds of [5, 8, 5, 5]) ids.push((await read(await bench.post({ ...body, seconds }, key.headers))).id);
    while ((await grantPass({ pool, submittingMax: 100, startSlots: () => 100 })) > 0);
    const [made = '', failed = '', underWay = ''] = ids;
    for (const [index, job] of [made, failed, underWay].entries()) {
      const { rows } = await pool.query<{ grant: string }>(
        'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
        [job],
      );
      const provider = index === 1 ? 'other' : target.provider;
      const order = { jobId: job, attempt: 1, grant: rows[0]?.grant ?? '', targetName: target.name, provider };
      await beginAttempt(pool, { ...order, token: `token-${index}`, seed: null, runBudgetMs: 600_000 });
    }
    const end = { attempt: 1, evidence: 'check' } as const;
    await endAttempt(pool, { jobId: made, ...end, outcome: 'finished', videoUrl: 'https://example.com/v.mp4' });
    await pool.query(`SELECT begin_asset($1, 1, 'key'), keep_asset($1, 1, 'key', 'video/mp4', 5, sha256('video'))`, [
      made,
    ]);
    await settleJob(pool, made, { phase: 'completed', attempt: 1 });
    await endAttempt(pool, { jobId: failed, ...end, outcome: 'lost', failure: failureOf('timed_out') });
    await settleJob(pool, failed, { phase: 'failed', failure: failureOf('timed_out') });
  });

  const jobs = { queued: 1, in_progress: 1, completed: 1, failed: 1, cancelled: 0 };
  const total = { jobs, attempts: 3, seconds: 5, cost_usd: 1 };

  test.each(['day', 'model'])('is told by %s', async (groupBy) => {
    const usage = await read(await bench.get(`/v1/usage?group_by=${groupBy}`, key.headers));
    const group = groupBy === 'model' ? 'wan-2.6' : usage['to'];
    expect(usage).toMatchObject({ group_by: groupBy, data: [{ group, ...total }], total });
  });

  test('is told by provider, with those that nobody was asked for last', async () => {
    const usage = await read(await bench.get('/v1/usage?group_by=provider', key.headers));
    expect(usage).toMatchObject({
      data: [
        {
          group: target.provider,
          jobs: { in_progress: 1, completed: 1, failed: 0 },
          attempts: 2,
          seconds: 5,
          cost_usd: 0.5,
        },
        { group: 'other', jobs: { completed: 0, failed: 1 }, attempts: 1, seconds: 0, cost_usd: 0.5 },
        { group: null, jobs: { queued: 1 }, attempts: 0 },
      ],
      total,
    });
  });

  test('on other days is nothing', async () => {
    const usage = await read(await bench.get('/v1/usage?from=2026-01-01&to=2026-01-31', key.headers));
    expect(usage).toMatchObject({ from: '2026-01-01', to: '2026-01-31', data: [], total: { cost_usd: 0 } });
  });

  test.each([
    ['/v1/usage?from=2026-02-30', '/from'],
    ['/v1/usage?from=yesterday', '/from'],
    ['/v1/usage?from=0001-01-01', '/from'],
    ['/v1/usage?from=2026-01-02&to=2026-01-01', '/to'],
    ['/v1/usage?from=2900-01-01', '/from'],
    ['/v1/usage?from=2026-01-01&to=2026-04-03', '/to'],
    ['/v1/usage?group_by=tenant', '/group_by'],
    ['/v1/usage?tenant=frugal', '/tenant'],
  ])('%s is refused', async (path, pointer) => {
    const response = await bench.get(path, key.headers);
    expect(response.status).toBe(400);
    expect(await read(response)).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
  });

  test('is told to one who asks at a time', async () => {
    const database = bench.database;
    const waiting: (() => void)[] = [];
    const slow = await openApiBench({
      reports: intercept(database.pool, async (statement) => {
        if (statement.includes('WITH chosen')) await new Promise<void>((resolve) => waiting.push(resolve));
      }),
    });
    try {
      const first = slow.get('/v1/usage');
      await until('a report is being made', async () => waiting.length === 1);
      const second = await slow.get('/v1/usage');
      expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1']);
      waiting[0]?.();
      expect((await first).status).toBe(200);
      const third = slow.get('/v1/usage');
      await until('the next one is', async () => waiting.length === 2);
      waiting[1]?.();
      expect((await third).status).toBe(200);
    } finally {
      await slow.close();
    }
  });

  test('92 days are not too many', async () => {
    expect((await bench.get('/v1/usage?from=2026-01-01&to=2026-04-02', key.headers)).status).toBe(200);
  });
});
