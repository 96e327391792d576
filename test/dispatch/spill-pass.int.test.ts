import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { insertJobs } from '../../src/db/jobs/accept.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { deleteMail, leaseMail } from '../../src/db/mailbox/mailbox.ts';
import { inTransaction } from '../../src/db/pool.ts';
import { type PoolLimits, upsertPools } from '../../src/db/scheduler/pools.ts';
import type { Moved } from '../../src/db/scheduler/spill.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import { createSpillPass } from '../../src/dispatch/spill-pass.ts';
import { failureOf } from '../../src/domain/failure.ts';
import type { Priority } from '../../src/domain/job.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import { beginOrder, target } from '../db/ledger/ledger-bench.ts';
import { createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query('DELETE FROM tickets');
});

/** A place of its own: an account with one target, which has room for whatever comes unless it is said otherwise. */
async function addPlace(limits: Partial<PoolLimits> = {}): Promise<string> {
  const id = `pool-${randomBytes(4).toString('hex')}`;
  const targets = [{ name: `${id}/model`, outstandingMax: null, perMinuteMax: null }];
  await upsertPools(bench.pool, [
    { id, provider: 'vendor', outstandingMax: 1_000, perMinuteMax: 600_000, targets, ...limits },
  ]);
  return id;
}

interface Order {
  readonly route: readonly string[];
  readonly count?: number;
  readonly spillAfterMs?: number;
  readonly user?: string;
  readonly priority?: Priority;
}

/** Jobs that wait at the first place of the route. */
async function accept({
  route,
  count = 1,
  spillAfterMs,
  user,
  priority = 'normal',
}: Order): Promise<readonly string[]> {
  const targets = route.map((pool, index): RouteTarget => ({
    ...target,
    name: `${pool}/model`,
    pool,
    priceUsdMicros: 1_000 * (index + 1),
    ...(spillAfterMs !== undefined && { spillAfterMs }),
  }));
  const jobs = Array.from({ length: count }, () => ({
    id: `video_${uuidv7()}`,
    tenant: 'default',
    request: {
      prompt: 'a fox',
      model: 'wan-2.6',
      seconds: 5,
      size: '1280x720',
      priority,
      ...(user !== undefined && { user }),
    },
    route: targets,
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds: 3_600,
    idempotency: null,
  }));
  for (let from = 0; from < count; from += 200) await insertJobs(bench.pool, jobs.slice(from, from + 200));
  return jobs.map(({ id }) => id);
}

/** What the health watch would write: how many attempts the place's breakers admit at once. */
async function admit(place: string, count: number | null): Promise<void> {
  await bench.pool.query('UPDATE targets SET admits = $2, probing_since = clock_timestamp() WHERE pool = $1', [
    place,
    count,
  ]);
}

async function spill(): Promise<readonly Moved[]> {
  const moves: Moved[] = [];
  const pass = createSpillPass({ pool: bench.pool, onMoved: (moved) => moves.push(moved) });
  expect(await pass.round()).toBe(moves.length);
  return moves;
}

/** As the loop does it: what can be granted is, and the others may leave. */
async function round(): Promise<readonly Moved[]> {
  await bench.grant();
  return await spill();
}

async function waitingAt(place: string): Promise<readonly string[]> {
  const rows = await bench.rows<{ job: string }>(
    'SELECT job FROM tickets WHERE pool = $1 ORDER BY accepted_at, id',
    place,
  );
  return rows.map(({ job }) => job);
}

const reasonAt = async (place: string): Promise<string | null> =>
  (await bench.row<{ reason: string | null }>('SELECT wait_reason AS reason FROM targets WHERE pool = $1', place))
    .reason;

/** The vendor has the attempt that the job holds a permit for. */
async function begin(job: string, attempt = 1): Promise<void> {
  const { grant, targetName } = await bench.row<{ grant: string; targetName: string }>(
    'SELECT grant_id::text AS grant, target_name AS "targetName" FROM permits WHERE job = $1 AND attempt = $2',
    job,
    attempt,
  );
  const order = { ...beginOrder(job, grant, attempt), targetName };
  expect(await beginAttempt(bench.pool, order)).toMatchObject({ verdict: 'go' });
}

const fail = (jobId: string, attempt = 1) =>
  endAttempt(bench.pool, {
    jobId,
    attempt,
    evidence: 'refusal',
    outcome: 'failed',
    failure: failureOf('provider_failed'),
  });

describe('an open breaker', () => {
  test('sends the line to the next target at once: price, place and event are those of the other', async () => {
    const [first, second] = [await addPlace(), await addPlace()];
    await admit(first, 0);
    const [job = ''] = await accept({ route: [first, second] });
    const { reason, from, to } = { reason: 'breaker', from: `${first}/model`, to: `${second}/model` };
    expect(await round()).toEqual([{ from, to, reason }]);
    expect(
      await bench.row(
        'SELECT attempt, target, target_name, kind, price_usd_micros::int AS price FROM tickets WHERE job = $1',
        job,
      ),
    ).toEqual({ attempt: 1, target: 1, target_name: to, kind: 'first', price: 2_000 });
    expect(await bench.row(`SELECT seq, data FROM job_events WHERE job = $1 AND kind = 'attempt.moved'`, job)).toEqual({
      seq: 2,
      data: { attempt: 1, from, to, reason },
    });

    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(second)).toEqual([job]);
    expect(await bench.row('SELECT payload FROM mailbox WHERE job = $1', job)).toMatchObject({
      payload: { target: 1 },
    });
    // Nothing is left of the line that they were in.
    await bench.grant();
    expect(await bench.rows('SELECT 1 FROM flows WHERE pool = $1 AND active', first)).toEqual([]);
  });

  test('half-open it admits its probes and no more: the others are sent on', async () => {
    const [first, second] = [await addPlace(), await addPlace()];
    await admit(first, 2);
    const jobs = await accept({ route: [first, second], count: 6 });
    expect(await round()).toHaveLength(4);
    expect(await bench.permitted(first)).toEqual(jobs.slice(0, 2));
    expect(await waitingAt(second)).toEqual(jobs.slice(2));
  });

  test('of every target leaves the job waiting, and says so', async () => {
    const [first, second] = [await addPlace(), await addPlace()];
    await admit(first, 0);
    await admit(second, 0);
    const jobs = await accept({ route: [first, second] });
    expect(await round()).toEqual([]);
    expect(await waitingAt(first)).toEqual(jobs);
    expect(await reasonAt(first)).toBe('breaker');
    await admit(second, null);
    expect(await round()).toHaveLength(1);
  });

  test('passes over those in the middle, and those that were tried', async () => {
    const [first, second, third] = [await addPlace(), await addPlace(), await addPlace()];
    await admit(second, 0);
    const [job = ''] = await accept({ route: [first, second, third] });
    await bench.grant();
    await begin(job);
    await fail(job);
    await queueAttempt(bench.pool, { jobId: job, ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 0 });
    expect(await round()).toMatchObject([{ from: `${second}/model`, to: `${third}/model` }]);
    await bench.grant();
    await begin(job, 2);
    await fail(job, 2);
    // The target that it was sent away from is the last that it has not tried: there it waits.
    await queueAttempt(bench.pool, { jobId: job, ticket: { attempt: 3, target: 1, kind: 'retry' }, waitMs: 0 });
    expect(await round()).toEqual([]);
    expect(await waitingAt(second)).toEqual([job]);
  });

  test('sends an overlap on as well, never one that is parked, and waives the failover budget of those who leave it', async () => {
    const [first, second, third] = [await addPlace(), await addPlace(), await addPlace()];
    const [slow = '', failed = ''] = await accept({ route: [first, second, third], count: 2 });
    await bench.grant();
    await begin(slow);
    await begin(failed);
    await fail(failed);
    await admit(second, 0);
    await queueAttempt(bench.pool, { jobId: slow, ticket: { attempt: 2, target: 1, kind: 'overlap' }, waitMs: 0 });
    await queueAttempt(bench.pool, { jobId: failed, ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 60_000 });
    expect(await round()).toHaveLength(1);
    expect(await waitingAt(third)).toEqual([slow]);
    expect(await waitingAt(second)).toEqual([failed]);

    const spend = 'UPDATE pools SET overlap_tokens = 0, overlap_at = clock_timestamp() WHERE id = $1';
    await bench.pool.query(spend, [third]);
    expect(await bench.grant()).toBe(0);
    await admit(first, 0);
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(third)).toEqual([slow]);
  });

  test('leaves alone a job that was cancelled, one that is being ended, and one that has nowhere to go', async () => {
    const [first, second] = [await addPlace(), await addPlace()];
    await admit(first, 0);
    const [gone = '', ending = '', free = ''] = await accept({ route: [first, second], count: 3 });
    const bound = await accept({ route: [first], count: 2 });
    await bench.grant();
    await settleJob(bench.pool, gone, { phase: 'cancelled' });
    await inTransaction(bench.pool, async (connection) => {
      await connection.query('SELECT 1 FROM jobs WHERE id = $1 FOR NO KEY UPDATE', [ending]);
      expect(await spill()).toHaveLength(1);
    });
    expect(await waitingAt(second)).toEqual([free]);
    expect(await spill()).toHaveLength(1);
    expect(await waitingAt(first)).toEqual(bound);
  });
});

describe('the workflow of a ticket that is sent on', () => {
  const mailOf = (job: string) =>
    bench.rows('SELECT kind, attempt, payload, leased_until = $2 AS due FROM mailbox WHERE job = $1', job, '-infinity');

  test('is told where it waits now, and nobody is whom no workflow shows', async () => {
    const [first, second, third] = [await addPlace(), await addPlace(), await addPlace()];
    const [shown = '', unseen = ''] = await accept({ route: [first, second, third], count: 2 });
    await bench.pool.query('UPDATE jobs SET dispatched_at = clock_timestamp() WHERE id = $1', [shown]);
    await bench.pool.query(`UPDATE tickets SET told_refusal = 'auth' WHERE job = $1`, [shown]);
    await admit(first, 0);
    expect(await round()).toHaveLength(2);
    expect(await mailOf(shown)).toEqual([
      { kind: 'repair', attempt: 1, payload: { target: 1, refusal: null }, due: true },
    ]);
    expect(await mailOf(unseen)).toEqual([]);
    // What it was told of the line that it has left says nothing of this one.
    expect(await bench.row('SELECT told_refusal FROM tickets WHERE job = $1', shown)).toEqual({ told_refusal: null });

    // The news is on its way when there is newer: to note its delivery takes nothing of that.
    const leased = (await leaseMail(bench.pool, 1_000)).find(({ job }) => job === shown);
    await admit(second, 0);
    expect(await round()).toHaveLength(2);
    await deleteMail(bench.pool, [leased?.id ?? '']);
    expect(await mailOf(shown)).toEqual([
      { kind: 'repair', attempt: 1, payload: { target: 2, refusal: null }, due: true },
    ]);
  });
});

describe('a line that has no room', () => {
  test('is left only by those who have waited long enough, for as many as there is room elsewhere', async () => {
    const full = await addPlace({ outstandingMax: 2 });
    const other = await addPlace({ outstandingMax: 10 });
    const jobs = await accept({ route: [full, other], count: 40, spillAfterMs: 60_000 });
    expect(await round()).toEqual([]);
    await bench.pool.query('UPDATE tickets SET spill_at = clock_timestamp() WHERE pool = $1', [full]);
    const moved = await round();
    // Ten slots, and one who waits for the next.
    expect(moved).toHaveLength(11);
    expect(new Set(moved.map(({ reason }) => reason))).toEqual(new Set(['spill']));
    expect(await waitingAt(other)).toEqual(jobs.slice(2, 13));
    // They are counted there, in line and with their permits.
    expect(await spill()).toEqual([]);
    expect(await bench.grant()).toBe(10);
    expect(await spill()).toEqual([]);
    await bench.pool.query('DELETE FROM permits WHERE job = $1', [jobs[2]]);
    expect(await bench.grant()).toBe(1);
    expect(await round()).toHaveLength(1);
  });

  test('keeps those whom it can serve itself', async () => {
    const [free, other] = [await addPlace(), await addPlace()];
    const jobs = await accept({ route: [free, other], count: 3, spillAfterMs: 0 });
    // Nobody grants, for want of hands: that is no reason to go elsewhere.
    await bench.grant({ startSlots: () => 0 });
    expect(await spill()).toEqual([]);
    expect(await waitingAt(free)).toEqual(jobs);
  });

  test('is left in the order of the flows: the many jobs of one do not keep the few of another', async () => {
    const full = await addPlace({ outstandingMax: 1 });
    const other = await addPlace({ outstandingMax: 10 });
    await accept({ route: [full, other] });
    await bench.grant();
    const many = await accept({ route: [full, other], count: 60, spillAfterMs: 0, user: 'many' });
    const few = await accept({ route: [full, other], count: 2, spillAfterMs: 0, user: 'few' });
    const low = await accept({ route: [full, other], count: 60, spillAfterMs: 0, priority: 'low' });
    expect(await round()).toHaveLength(11);
    const moved = new Set(await waitingAt(other));
    expect(few.filter((job) => moved.has(job))).toEqual(few);
    expect(many.filter((job) => moved.has(job))).toEqual(many.slice(0, 8));
    // A ninth of them by its class's share.
    expect(low.filter((job) => moved.has(job))).toEqual(low.slice(0, 1));
    // Who has left was served: the next pass goes on where this one ended.
    await bench.pool.query('DELETE FROM tickets WHERE pool = $1', [other]);
    expect(await round()).toHaveLength(11);
    expect((await waitingAt(other)).filter((job) => low.includes(job)).length).toBeLessThanOrEqual(2);
  });

  test('hides nobody behind those who have nowhere to go', async () => {
    const full = await addPlace({ outstandingMax: 1 });
    const other = await addPlace();
    await accept({ route: [full], count: 300 });
    const [last = ''] = await accept({ route: [full, other], spillAfterMs: 0 });
    expect(await round()).toHaveLength(1);
    expect(await waitingAt(other)).toEqual([last]);
  });

  test('of an account is no reason to go to another target of the same account; of a target it is', async () => {
    const id = `pool-${randomBytes(4).toString('hex')}`;
    const limits = { id, provider: 'vendor', outstandingMax: 3, perMinuteMax: 600_000 };
    const none = { outstandingMax: null, perMinuteMax: null };
    const targets = (outstandingMax: number | null) => [
      { ...none, name: 'first', outstandingMax },
      { ...none, name: 'second' },
    ];
    await upsertPools(bench.pool, [{ ...limits, targets: targets(2) }]);
    const route = ['first', 'second'].map((name) => ({ ...target, name, pool: id, spillAfterMs: 0 }));
    await bench.accept({ pool: id, count: 4, target: { name: 'first', spillAfterMs: 0 } });
    await bench.pool.query('UPDATE jobs SET route = $1 WHERE id IN (SELECT job FROM tickets)', [JSON.stringify(route)]);
    expect(await round()).toHaveLength(2);
    await bench.pool.query(`DELETE FROM permits WHERE pool = $1`, [id]);
    await bench.pool.query(`DELETE FROM tickets WHERE pool = $1`, [id]);

    await upsertPools(bench.pool, [{ ...limits, targets: targets(null) }]);
    await bench.accept({ pool: id, count: 5, target: { name: 'first', spillAfterMs: 0 } });
    await bench.pool.query('UPDATE jobs SET route = $1 WHERE id IN (SELECT job FROM tickets)', [JSON.stringify(route)]);
    expect(await round()).toEqual([]);
  });

  test('comes back from where nobody is served, but not in circles', async () => {
    const [first, second] = [await addPlace({ outstandingMax: 1 }), await addPlace()];
    await accept({ route: [first] });
    await bench.grant();
    const [job = ''] = await accept({ route: [first, second], spillAfterMs: 0 });
    expect(await round()).toHaveLength(1);
    await admit(second, 0);
    // Back to where there is no slot, but for the one who may wait for it.
    expect(await spill()).toHaveLength(1);
    expect(await waitingAt(first)).toEqual([job]);
  });
});

describe('what it costs', () => {
  test('nothing but a glance where nobody is to leave', async () => {
    const [first, second] = [await addPlace({ outstandingMax: 1 }), await addPlace()];
    await accept({ route: [first, second], count: 3, spillAfterMs: 60_000 });
    await bench.grant();
    const before = await bench.row<{ at: string }>('SELECT xmin::text AS at FROM pools WHERE id = $1', first);
    expect(await spill()).toEqual([]);
    const asked: string[] = [];
    const listening = new Proxy(bench.pool, {
      get(pool, property) {
        if (property === 'connect') asked.push('connect');
        const value: unknown = Reflect.get(pool, property);
        return typeof value === 'function' ? value.bind(pool) : value;
      },
    });
    expect(await createSpillPass({ pool: listening }).round()).toBe(0);
    expect(asked).toEqual([]);
    expect(await bench.row('SELECT xmin::text AS at FROM pools WHERE id = $1', first)).toEqual(before);
  });
});
