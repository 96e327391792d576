import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubmitOrder } from '../../src/contracts/activities.ts';
import { endAttempt } from '../../src/db/ledger/attempts.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { type FindQuery, type FoundOperation, ProviderUnreachableError } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { intercept } from '../db/intercept.ts';
import { type ActivityBench, type BenchDeps, type JobWish, openActivityBench } from './activity-bench.ts';

let bench: ActivityBench;
beforeAll(async () => {
  bench = await openActivityBench();
});
afterAll(async () => {
  await bench.close();
});

async function submitOne(wish: JobWish = {}): Promise<SubmitOrder & { operation: string }> {
  const order = await bench.orderOne(wish);
  await bench.run.submitAttempt(order);
  const [prediction] = await bench.predictionsOf(order);
  return { ...order, operation: prediction?.id ?? '' };
}

const watch = (order: SubmitOrder, deps = {}) =>
  bench.run.watchAttempt({ jobId: order.jobId, attempt: order.attempt, target: order.target }, deps);

/** The benign failure by which a poll asks to be tried again. */
async function notYet(order: SubmitOrder, deps = {}): Promise<ApplicationFailure> {
  const error: unknown = await watch(order, deps).then(
    (report) => report,
    (failure: unknown) => failure,
  );
  if (!(error instanceof ApplicationFailure)) throw new Error(`no failure: ${JSON.stringify(error)}`);
  return error;
}

/** Long past its grace. */
const age = ({ jobId }: SubmitOrder) =>
  bench.pool.query(
    `UPDATE attempts SET submitted_at = submitted_at - interval '10 minutes', answered_at = answered_at - interval '10 minutes'
     WHERE job = $1`,
    [jobId],
  );

describe('a poll', () => {
  test('that finds the video under way is a benign failure that says when to look again', async () => {
    const order = await submitOne({ target: { typicalMs: 20_000 } });
    // The simulator queues for about a second first; that is an answer of its own.
    await expect
      .poll(async () => await notYet(order).catch(() => undefined), { interval: 50, timeout: 20_000 })
      .toMatchObject({ type: 'NotYet', category: 'BENIGN', nonRetryable: false });
    const { nextRetryDelay, message } = await notYet(order);
    expect(nextRetryDelay).toBeGreaterThanOrEqual(1_600);
    expect(nextRetryDelay).toBeLessThanOrEqual(2_400);
    expect(message).not.toContain('fox');
  });

  test('that finds it queued at the vendor says so at once', async () => {
    expect(await watch(await submitOne())).toEqual({ outcome: 'queued' });
  });

  test('that finds it finished ends the attempt: its permit is free and its cost booked', async () => {
    const order = await submitOne();
    await bench.finish(order.operation);
    expect(await watch(order)).toEqual({ outcome: 'finished' });
    expect(await bench.attemptOf(order)).toMatchObject({
      evidence: 'check',
      outcome: 'finished',
      cost_usd_micros: '500000',
      video_url: expect.stringMatching(/^http/),
    });
    expect(await bench.rowsOf('permits', order)).toEqual([]);
    expect(await watch(order)).toEqual({ outcome: 'finished' });
  });

  test('that finds it failed says why, and books nothing', async () => {
    const order = await submitOne();
    await bench.finish(order.operation, 'failed');
    expect(await watch(order)).toMatchObject({
      outcome: 'failed',
      failure: { code: 'provider_failed', retry: 'same' },
    });
    expect(await bench.attemptOf(order)).toMatchObject({ outcome: 'failed', cost_usd_micros: '0' });
  });

  test('of an attempt that a callback has ended asks nobody', async () => {
    const order = await submitOne();
    await endAttempt(bench.pool, {
      jobId: order.jobId,
      attempt: 1,
      evidence: 'callback',
      outcome: 'failed',
      failure: failureOf('moderation'),
    });
    expect(await watch(order, { providers: new Map([['wavespeed', away]]) })).toMatchObject({
      outcome: 'failed',
      failure: { code: 'moderation' },
    });
  });

  test('of a vendor that can not be reached costs nothing but time', async () => {
    const order = await submitOne();
    expect(await notYet(order, { providers: new Map([['wavespeed', away]]) })).toMatchObject({ type: 'NotYet' });
    expect(await bench.rowsOf('permits', order)).toHaveLength(1);
  });

  test('of an attempt that the ledger does not have, of a job that is open, waits: its workflow knows that it was sent', async () => {
    const order = await bench.orderOne();
    expect(await notYet(order)).toMatchObject({ type: 'MissingFromLedger' });
  });

  test('of an attempt of a job that is gone is lost', async () => {
    const order = await bench.orderOne();
    await settleJob(bench.pool, order.jobId, { phase: 'cancelled' });
    expect(await watch(order)).toMatchObject({ outcome: 'failed', failure: { code: 'ambiguous_submit' } });
  });
});

const away = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });

describe('a submit whose answer was lost', () => {
  test('is adopted from the vendor’s list by our seed, and goes on as if it had been answered', async () => {
    const order = await submitOne({ fault: 'submit-500-after' });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', operation: null });
    // The poll that adopts asks at once, and the vendor still has the job in its own line.
    expect(await watch(order)).toEqual({ outcome: 'queued' });
    expect(await bench.attemptOf(order)).toMatchObject({
      state: 'accepted',
      operation: order.operation,
      resolved_by: 'list',
    });
    await bench.finish(order.operation);
    expect(await watch(order)).toEqual({ outcome: 'finished' });
  });

  test('long ago has its whole grace from the moment at which that was known', async () => {
    const order = await submitOne({ fault: 'submit-500-before' });
    // As a restore writes it: sent before the outage, unknown since just now.
    await bench.pool.query(`UPDATE attempts SET submitted_at = submitted_at - interval '10 minutes' WHERE job = $1`, [
      order.jobId,
    ]);
    expect(await notYet(order)).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', resolved_by: null });
  });

  test('in which nothing was made waits out its grace', async () => {
    const order = await submitOne({ fault: 'submit-500-before' });
    expect(await notYet(order)).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', possible_duplicate: false });
  });

  test.each([
    { unknownPolicy: 'fail', retry: 'elsewhere' },
    { unknownPolicy: 'resubmit', retry: 'same' },
  ] as const)(
    'after the grace is over for a target that says $unknownPolicy, and recorded',
    async ({ unknownPolicy, retry }) => {
      const order = await submitOne({ fault: 'submit-500-before', target: { unknownPolicy } });
      await age(order);
      expect(await watch(order)).toMatchObject({ outcome: 'failed', failure: { code: 'ambiguous_submit', retry } });
      expect(await bench.attemptOf(order)).toMatchObject({
        state: 'unknown',
        possible_duplicate: true,
        resolved_by: `grace_${unknownPolicy}`,
        ended_at: null,
      });
      // What the vendor may be at still holds its place there.
      expect(await bench.rowsOf('permits', order)).toHaveLength(1);
    },
  );

  test('after the grace is waited for where the target says wait', async () => {
    const order = await submitOne({ fault: 'submit-500-before', target: { unknownPolicy: 'wait' } });
    await age(order);
    for (let poll = 0; poll < 3; poll += 1) expect(await notYet(order)).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ possible_duplicate: false, resolved_by: 'grace_wait' });
    const told = (await bench.rowsOf('job_events', order)).filter(({ kind }) => kind === 'attempt.resolved');
    expect(told).toHaveLength(1);
  });

  test('is not given up where a callback told of it in the moment of the decision', async () => {
    const order = await submitOne({ fault: 'submit-500-before', target: { unknownPolicy: 'resubmit' } });
    await age(order);
    const { jobId, attempt } = order;
    const db = intercept(bench.pool, async (statement) => {
      if (statement !== 'decide_unknown') return;
      const end = { evidence: 'callback', outcome: 'finished', operation: `op-${jobId}` } as const;
      await endAttempt(bench.pool, { jobId, attempt, ...end });
    });
    expect(await notYet(order, { db })).toMatchObject({ type: 'NotYet' });
    expect(await watch(order)).toEqual({ outcome: 'finished' });
    expect(await bench.attemptOf(order)).toMatchObject({ possible_duplicate: false, resolved_by: 'callback' });
  });

  test('is not given up while the list can not be read: that proves nothing', async () => {
    const order = await submitOne({ fault: 'submit-500-after', target: { unknownPolicy: 'resubmit' } });
    await age(order);
    expect(await notYet(order, { providers: new Map([['wavespeed', away]]) })).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ possible_duplicate: false });
  });

  /** A vendor of which only the list is asked. */
  function listing(find: () => Promise<readonly FoundOperation[]>) {
    const queries: FindQuery[] = [];
    const noted = async (query: FindQuery): Promise<readonly FoundOperation[]> => {
      queries.push(query);
      return await find();
    };
    const deps: BenchDeps = { providers: new Map([['wavespeed', { ...away, find: noted }]]) };
    return { deps, queries, asked: () => queries.length };
  }

  test('is looked for where it can be: from its POST to the end of its grace, by two clocks', async () => {
    const order = await submitOne({ fault: 'submit-500-before', target: { unknownGraceMs: 90_000 } });
    const { deps, queries } = listing(async () => []);
    await notYet(order, deps);
    const { submitted_at: submittedAt, seed } = await bench.attemptOf(order);
    const since = new Date(String(submittedAt)).getTime();
    const [query] = queries;
    expect(query).toMatchObject({ model: 'alibaba/wan-2.6/text-to-video', seed: Number(seed) });
    expect(Math.abs((query?.createdAfter ?? 0) - (since - 60_000))).toBeLessThan(1_000);
    expect(Math.abs((query?.createdBefore ?? 0) - (since + 150_000))).toBeLessThan(1_000);
  });

  test.each([
    { what: 'several', operationsOf: () => ['op-one', 'op-other'] },
    { what: 'one that is another attempt’s', operationsOf: (other: string) => [other] },
  ])('named by $what in the list is not adopted, and has its grace', async ({ operationsOf }) => {
    const [order, other] = [await submitOne({ fault: 'submit-500-before' }), await submitOne()];
    const { deps } = listing(async () => operationsOf(other.operation).map((operation) => ({ operation })));
    expect(await notYet(order, deps)).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', operation: null });
    await age(order);
    expect(await watch(order, deps)).toMatchObject({ failure: { code: 'ambiguous_submit' } });
  });

  test('is not looked for where the model has no field for our seed', async () => {
    const kling = { name: 'wavespeed/kling-2.5-turbo', vendorModel: 'kwaivgi/kling-v2.5-turbo-pro/text-to-video' };
    const order = await submitOne({ fault: 'submit-500-before', target: kling });
    const { deps, asked } = listing(async () => []);
    expect(await notYet(order, deps)).toMatchObject({ type: 'NotYet' });
    await age(order);
    expect(await watch(order, deps)).toMatchObject({ failure: { code: 'ambiguous_submit' } });
    expect(asked()).toBe(0);
  });

  test('has its grace, and no longer, where the list is too long to be read', async () => {
    const order = await submitOne({ fault: 'submit-500-before' });
    const failure = failureOf('unreachable', { vendorCode: 'list_too_long' });
    const { deps, asked } = listing(() => Promise.reject(new ProviderUnreachableError(failure)));
    expect(await notYet(order, deps)).toMatchObject({ type: 'NotYet' });
    await age(order);
    expect(await watch(order, deps)).toMatchObject({ failure: { code: 'ambiguous_submit' } });
    expect(asked()).toBe(2);
  });

  test('under the caller’s own seed is nobody’s to adopt', async () => {
    const order = await submitOne({ fault: 'submit-500-after', request: { seed: 42 } });
    expect(await notYet(order)).toMatchObject({ type: 'NotYet' });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', operation: null });
  });
});

describe('the quick writes', () => {
  test('a further attempt gets its place, at the price of its target, and wakes the dispatcher', async () => {
    const order = await bench.orderOne({ fault: 'submit-429=3' });
    await bench.run.submitAttempt(order);
    const before = bench.woken.count;
    const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
    expect(await bench.run.queueAttempt({ jobId: order.jobId, ticket, waitMs: 60_000 })).toBe('queued');
    expect(await bench.rowsOf('tickets', order)).toMatchObject([
      { kind: 'retry', price_usd_micros: '500000', pool: `wavespeed-${order.jobId}` },
    ]);
    expect(bench.woken.count).toBe(before + 1);
  });

  test('a job that does not exist needs no place, and ends as cancelled', async () => {
    const jobId = 'video_018f0000-0000-7000-8000-000000000000';
    const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
    expect(await bench.run.queueAttempt({ jobId, ticket, waitMs: 0 })).toBe('job_final');
    expect(await bench.run.settleJob({ jobId, verdict: { phase: 'cancelled' } })).toEqual({ phase: 'cancelled' });
  });

  test('the verdict that stands is the answer, whoever set it', async () => {
    const { jobId } = await bench.orderOne();
    const failure = failureOf('timed_out', { retry: 'never' });
    expect(await bench.run.settleJob({ jobId, verdict: { phase: 'failed', failure } })).toEqual({
      phase: 'failed',
      failure,
    });
    expect(await bench.run.settleJob({ jobId, verdict: { phase: 'cancelled' } })).toEqual({
      phase: 'failed',
      failure,
    });
  });

  test('a vendor that only forgets is not asked to stop', async () => {
    const order = await submitOne();
    await bench.run.stopAttempt({ jobId: order.jobId, attempt: 1 });
    expect(await bench.attemptOf(order)).toMatchObject({ ended_at: null });
    expect(await watch(order)).toMatchObject({ outcome: 'queued' });
  });
});
