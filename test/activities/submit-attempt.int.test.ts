import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import type { Database } from '../../src/db/pool.ts';
import type { StartOrder, VideoProvider } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { intercept } from '../db/intercept.ts';
import { type ActivityBench, openActivityBench, publicUrl } from './activity-bench.ts';

let bench: ActivityBench;
beforeAll(async () => {
  bench = await openActivityBench();
});
afterAll(async () => {
  await bench.close();
});

describe('an accepted order', () => {
  test('is in the ledger with the vendor’s name for it, and its permit is held', async () => {
    const order = await bench.orderOne();
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'accepted', operation: expect.any(String) });
    const [prediction] = await bench.predictionsOf(order);
    expect(await bench.attemptOf(order)).toMatchObject({
      state: 'accepted',
      operation: prediction?.id,
      ended_at: null,
    });
    expect(await bench.rowsOf('permits', order)).toMatchObject([{ submitting: false }]);
  });

  test('carries one unguessable callback URL, and our seed where the caller set none', async () => {
    const order = await bench.orderOne();
    await bench.run.submitAttempt(order);
    const [prediction] = await bench.predictionsOf(order);
    const { token, seed } = await bench.attemptOf(order);
    expect(prediction?.webhook).toBe(`${publicUrl}/v1/callbacks/wavespeed/${order.jobId}.1/${String(token)}`);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(prediction?.input['seed']).toBe(Number(seed));
  });

  test('keeps the caller’s own seed, and does not take it for ours', async () => {
    const order = await bench.orderOne({ request: { seed: 42 } });
    await bench.run.submitAttempt(order);
    const [prediction] = await bench.predictionsOf(order);
    expect(prediction?.input['seed']).toBe(42);
    expect(await bench.attemptOf(order)).toMatchObject({ seed: null });
  });

  test.each([
    { where: 'the target has none', target: { callbacks: false }, deps: {} },
    { where: 'nobody could reach us', target: {}, deps: { publicUrl: undefined } },
  ])('asks for no callback where $where', async ({ target, deps }) => {
    const order = await bench.orderOne({ target });
    await bench.run.submitAttempt(order, deps);
    expect((await bench.predictionsOf(order))[0]?.webhook).toBeNull();
  });

  test('tells the vendor when nobody here waits any more', async () => {
    const orders: StartOrder[] = [];
    const provider: VideoProvider = {
      name: 'wavespeed',
      cancelMeans: 'none',
      start: async (order) => {
        orders.push(order);
        return { kind: 'accepted', operation: `op-${orders.length}` };
      },
      check: () => Promise.reject(new Error('nobody asks')),
    };
    const order = await bench.orderOne({ target: { longestMs: 123_000 } });
    await bench.run.submitAttempt(order, { providers: new Map([['wavespeed', provider]]) });
    expect(orders).toMatchObject([{ deadlineMs: 123_000 }]);
  });
});

describe('a refused order', () => {
  test.each([
    { fault: 'submit-429=3', failure: { code: 'rate_limited', retry: 'same', retryAfterMs: 3_000 } },
    { fault: 'submit-refused', failure: { code: 'invalid_input', retry: 'never' } },
    { fault: 'no-credit', failure: { code: 'no_credit', retry: 'elsewhere' } },
  ])('by $fault frees its permit and costs nothing', async ({ fault, failure }) => {
    const order = await bench.orderOne({ fault });
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'refused', failure });
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'refused', outcome: 'failed', cost_usd_micros: '0' });
    expect(await bench.rowsOf('permits', order)).toEqual([]);
  });

  test('by nobody being there is one too: nothing was sent', async () => {
    const order = await bench.orderOne();
    const away = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });
    const answer = await bench.run.submitAttempt(order, { providers: new Map([['wavespeed', away]]) });
    expect(answer).toMatchObject({ kind: 'refused', failure: { code: 'unreachable', retry: 'same' } });
  });

  test('of a target that this release can not speak to goes elsewhere', async () => {
    const order = await bench.orderOne({ target: { name: 'wavespeed/unheard-of' } });
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'refused', failure: { retry: 'elsewhere' } });
  });
});

describe('an answer that was lost', () => {
  test.each(['submit-500-after', 'submit-500-before', 'submit-reset-after', 'submit-hang-after'])(
    'by %s is unknown: the permit is held and nobody sends it again',
    async (fault) => {
      const order = await bench.orderOne({ fault });
      const before = await bench.submits();
      expect(await bench.run.submitAttempt(order)).toEqual({ kind: 'unknown' });
      expect(await bench.attemptOf(order)).toMatchObject({ state: 'unknown', operation: null, ended_at: null });
      expect(await bench.rowsOf('permits', order)).toMatchObject([{ submitting: false }]);
      expect(await bench.run.submitAttempt(order)).toEqual({ kind: 'unknown' });
      expect(await bench.submits()).toBe(before + 1);
    },
  );
});

describe('an activity that runs again', () => {
  test('finds the ledger row and says what it says, with one POST at the vendor', async () => {
    const order = await bench.orderOne();
    const before = await bench.submits();
    const answers = [await bench.run.submitAttempt(order), await bench.run.submitAttempt(order)];
    expect(answers).toMatchObject([{ kind: 'accepted' }, { kind: 'accepted' }]);
    expect(await bench.submits()).toBe(before + 1);
  });

  test('beside itself sends once; what the other does not know it calls unknown', async () => {
    const order = await bench.orderOne({ fault: 'submit-slow=200' });
    const before = await bench.submits();
    const answers = await Promise.all([bench.run.submitAttempt(order), bench.run.submitAttempt(order)]);
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(['accepted', 'unknown']);
    expect(await bench.submits()).toBe(before + 1);
    // The late answer stands in the ledger all the same.
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'accepted' });
  });

  test('after a refusal repeats it', async () => {
    const order = await bench.orderOne({ fault: 'submit-429=3' });
    const first = await bench.run.submitAttempt(order);
    expect(await bench.run.submitAttempt(order)).toEqual(first);
  });
});

describe('an order that must not be sent', () => {
  test('of a job whose request was erased', async () => {
    const order = await bench.orderOne();
    await bench.pool.query('UPDATE jobs SET request = NULL, input_image = NULL WHERE id = $1', [order.jobId]);
    expect(await bench.run.submitAttempt(order)).toEqual({ kind: 'job_final' });
    expect(await bench.attemptOf(order)).toEqual({});
  });

  test('of a job that was cancelled after its grant', async () => {
    const order = await bench.orderOne();
    await requestCancel(bench.pool, { id: order.jobId, tenant: 'default' });
    expect(await bench.run.submitAttempt(order)).toEqual({ kind: 'job_final' });
  });

  test('under a permit that is another’s', async () => {
    const order = await bench.orderOne();
    expect(await bench.run.submitAttempt({ ...order, grant: '0' })).toEqual({ kind: 'permit_lost' });
    expect(await bench.predictionsOf(order)).toEqual([]);
  });
});

describe('a database that goes away', () => {
  /** The first `times` of these statements find their connection cut by the server. */
  function cutting(statement: string, times: number): { db: Database; cut: () => number } {
    let count = 0;
    const db = intercept(bench.pool, async (name) => {
      if (name !== statement || count >= times) return;
      count += 1;
      await bench.pool.query('SELECT pg_terminate_backend(pg_backend_pid())');
    });
    return { db, cut: () => count };
  }

  test.each([
    { fault: undefined, statement: 'answer_attempt', kind: 'accepted' },
    { fault: 'submit-429=3', statement: 'end_attempt', kind: 'refused' },
  ])('after the POST costs no answer: $kind is recorded when it is back', async ({ fault, statement, kind }) => {
    const order = await bench.orderOne(fault === undefined ? {} : { fault });
    const before = await bench.submits();
    const { db, cut } = cutting(statement, 2);
    expect(await bench.run.submitAttempt(order, { db })).toMatchObject({ kind });
    expect(cut()).toBe(2);
    expect(await bench.submits()).toBe(before + 1);
    expect(await bench.attemptOf(order)).toMatchObject({ state: kind });
  });

  test('before the row is written is a failure that may be tried again, with nothing sent', async () => {
    const order = await bench.orderOne();
    const before = await bench.submits();
    const { db } = cutting('begin_attempt', 1);
    await expect(bench.run.submitAttempt(order, { db })).rejects.toThrow('terminating connection');
    expect(await bench.submits()).toBe(before);
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'accepted', operation: expect.any(String) });
  });
});
