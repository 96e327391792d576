import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { beginAttempt } from '../../src/db/ledger/attempts.ts';
import { leaseMail } from '../../src/db/mailbox/mailbox.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { createRelay, type Relay, type RelayDeps } from '../../src/dispatch/mailbox-relay.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import {
  connectAgain,
  createDispatchBench,
  type DispatchBench,
  openTemporal,
  quiet,
  type TemporalBench,
} from './dispatch-bench.ts';

let bench: DispatchBench;
let temporal: TemporalBench;
beforeAll(async () => {
  [bench, temporal] = await Promise.all([createDispatchBench(), openTemporal()]);
});
afterAll(async () => {
  await temporal.close();
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query('DELETE FROM mailbox; DELETE FROM tickets');
});

const openRelay = (deps: Partial<RelayDeps> = {}): Relay =>
  createRelay({
    pool: bench.pool,
    client: temporal.client,
    eagerStart: false,
    stuckAfterMs: 300_000,
    handsMax: 50,
    log: quiet,
    ...deps,
  });

/** What is due now, delivered and noted. */
async function relay(deps: Partial<RelayDeps> = {}): Promise<number> {
  const one = openRelay(deps);
  const count = await one.takeUp();
  await one.idle();
  return count;
}

/** Until nothing is due. What was postponed is not due. */
async function relayAll(deps: Partial<RelayDeps> = {}): Promise<void> {
  while ((await relay(deps)) > 0);
}

async function grantOne(): Promise<string> {
  const job = await bench.acceptOne({ pool: await bench.addPool() });
  await bench.grant();
  return job;
}

/** A job that was shown before it had a permit: its workflow waits. */
async function showOne(payload: object = {}): Promise<string> {
  const job = await bench.acceptOne({ pool: await bench.addPool() });
  await send(job, 'start', { payload });
  await bench.pool.query('UPDATE jobs SET dispatched_at = clock_timestamp() WHERE id = $1', [job]);
  await relayAll();
  return job;
}

/** A second target of its route, at another provider. */
async function addTarget(job: string, provider: string): Promise<void> {
  await bench.pool.query(
    `UPDATE jobs SET route = route || jsonb_build_array(route -> 0 || jsonb_build_object('provider', $2::text, 'name', $2 || '/model'))
     WHERE id = $1`,
    [job, provider],
  );
}

/** What its workflow was started with. */
async function inputOf(job: string): Promise<unknown> {
  const { events } = await temporal.client.workflow.getHandle(job).fetchHistory();
  const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data ?? [];
  return JSON.parse(Buffer.from(payload).toString());
}

interface Letter {
  readonly attempt?: number;
  readonly payload?: object;
}

async function send(job: string, kind: string, { attempt = 0, payload = {} }: Letter = {}): Promise<void> {
  const values = [job, kind, attempt, payload];
  await bench.pool.query('INSERT INTO mailbox (job, kind, attempt, payload) VALUES ($1, $2, $3, $4)', values);
}

/** What Temporal UI shows of a job before its workflow has run. */
async function noticeOf(job: string) {
  const description = await temporal.client.workflow.getHandle(job).describe();
  const pairs = description.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value] as const);
  return {
    attributes: Object.fromEntries(pairs),
    summary: await description.staticSummary(),
    details: await description.staticDetails(),
  };
}

const expireLeases = () => bench.pool.query(`UPDATE mailbox SET leased_until = '-infinity'`);
const runsOf = (job: string) => temporal.client.workflow.count(`WorkflowId = '${job}'`);

describe('a start', () => {
  test('carries ids, the route and the first permit, and nothing of the request', async () => {
    const job = await grantOne();
    expect(await relay()).toBe(1);
    expect(await bench.count('mailbox', job)).toBe(0);
    const { events } = await temporal.client.workflow.getHandle(job).fetchHistory();
    const started = events?.[0]?.workflowExecutionStartedEventAttributes;
    expect(started?.workflowType?.name).toBe('generateVideo');
    const input = JSON.parse(Buffer.from(started?.input?.payloads?.[0]?.data ?? []).toString());
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    const { route } = await bench.row<{ route: object }>('SELECT route FROM jobs WHERE id = $1', job);
    expect(input).toEqual({ jobId: job, route, stuckAfterMs: 300_000, permit: { attempt: 1, target: 0, grant } });
    expect(JSON.stringify(events)).not.toContain('a fox');
  });

  test('says in Temporal UI whose job it is, by which model and at whose target', async () => {
    const job = await grantOne();
    await relayAll();
    const told = await noticeOf(job);
    expect(told.attributes).toEqual({ Tenant: 'default', VideoModel: 'wan-2.6', VideoProvider: 'vendor' });
    expect(told.summary).toMatch(/^wan-2\.6 for tenant default, accepted \d\d:\d\d UTC$/);
    expect(told.details).toContain(job);
    expect(told.details).toContain(`npm run ops -- show ${job}`);
    expect(`${told.summary} ${told.details}`).not.toContain('a fox');
  });

  test('of a job that waits too long says why: it is only full there, or its provider refuses', async () => {
    const waitingSince = Date.now() - 400_000;
    const full = await showOne({ waitingSince });
    const refused = await showOne({ waitingSince, refusal: 'no_credit' });
    const young = await showOne({ waitingSince: Date.now() - 1_000 });
    expect((await noticeOf(full)).attributes).toMatchObject({ StuckCause: 'waiting_capacity' });
    expect((await noticeOf(refused)).attributes).toMatchObject({ StuckCause: 'no_credit' });
    expect((await noticeOf(young)).attributes).not.toHaveProperty('StuckCause');
  });

  test('names the provider where it waits, though it was sent on from its first target', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await addTarget(job, 'other');
    await send(job, 'start', { payload: { waitingSince: Date.now() - 400_000, target: 1 } });
    await relayAll();
    expect((await noticeOf(job)).attributes).toMatchObject({ VideoProvider: 'other', StuckCause: 'waiting_capacity' });
    expect(await inputOf(job)).toMatchObject({ ticketTarget: 1 });
  });

  test('delivered twice makes one workflow', async () => {
    const job = await grantOne();
    const { rows } = await bench.pool.query('SELECT payload FROM mailbox WHERE job = $1', [job]);
    await relayAll();
    await send(job, 'start', { attempt: 1, payload: rows[0].payload });
    await relayAll();
    expect(await bench.count('mailbox', job)).toBe(0);
    // The second becomes a permit, which the workflow knows by its number.
    expect(await temporal.arrivedAt(job)).toEqual(['start', 'permit']);
    await expect.poll(() => runsOf(job).then(({ count }) => count)).toBe(1);
  });

  test('of a job that runs without a permit brings the permit', async () => {
    const job = await showOne();
    await bench.pool.query('UPDATE jobs SET dispatched_at = NULL WHERE id = $1', [job]);
    await bench.grant();
    expect(await bench.row('SELECT kind FROM mailbox WHERE job = $1', job)).toEqual({ kind: 'start' });
    await relayAll();
    expect(await temporal.arrivedAt(job)).toEqual(['start', 'permit']);
    expect(await bench.count('mailbox', job)).toBe(0);
  });

  test('of a job that has ended is dropped: nothing is started', async () => {
    const job = await grantOne();
    await requestCancel(bench.pool, { id: job, tenant: 'default' });
    await relayAll();
    expect(await bench.count('mailbox', job)).toBe(0);
    await expect(temporal.arrivedAt(job)).rejects.toThrow('workflow not found');
  });

  test('is not before its permit’s moment', async () => {
    const pool = await bench.addPool({ perMinuteMax: 600 });
    const jobs = await bench.accept({ pool, count: 4 });
    await bench.grant();
    await relayAll();
    const permits = await bench.rows<{ job: string; at: number }>(
      'SELECT job, extract(epoch FROM start_at)::float8 * 1000 AS at FROM permits WHERE job = ANY($1)',
      jobs,
    );
    expect(permits).toHaveLength(4);
    for (const { job, at } of permits) {
      const { startTime } = await temporal.client.workflow.getHandle(job).describe();
      // A timer of Node's may be a millisecond early.
      expect(startTime.getTime()).toBeGreaterThanOrEqual(Math.floor(at) - 2);
    }
  });

  test('of a job whose workflow was lost tells what the ledger knows', async () => {
    const job = await grantOne();
    await bench.pool.query('DELETE FROM mailbox');
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await send(job, 'start');
    await relayAll();
    expect(await inputOf(job)).toMatchObject({ known: [{ attempt: 1, target: 0, grant, phase: 'unknown' }] });
  });

  test('of the same names the provider of its last attempt', async () => {
    const job = await grantOne();
    await addTarget(job, 'other');
    await bench.pool.query('DELETE FROM mailbox');
    const { grant } = await bench.row<{ grant: string }>(
      'UPDATE permits SET target = 1 WHERE job = $1 RETURNING grant_id::text AS grant',
      job,
    );
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await send(job, 'start');
    await relayAll();
    expect((await noticeOf(job)).attributes).toMatchObject({ VideoProvider: 'other' });
  });
});

describe('a signal', () => {
  test.each([
    { kind: 'permit', signal: 'permit' },
    { kind: 'callback', signal: 'callback' },
    { kind: 'repair', signal: 'hint' },
    { kind: 'cancel', signal: 'cancel' },
  ])('$kind reaches its workflow as $signal', async ({ kind, signal }) => {
    const job = await showOne();
    await send(job, kind, { attempt: 1, payload: { attempt: 1 } });
    await relayAll();
    expect(await temporal.arrivedAt(job)).toEqual(['start', signal]);
    expect(await bench.count('mailbox', job)).toBe(0);
  });

  test('of a ticket that was sent on says where it waits now', async () => {
    const job = await showOne();
    await send(job, 'repair', { attempt: 1, payload: { target: 1, refusal: null } });
    await relayAll();
    const { events } = await temporal.client.workflow.getHandle(job).fetchHistory();
    const [data] = (events ?? []).flatMap(
      ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.input?.payloads?.[0]?.data ?? [],
    );
    expect(JSON.parse(Buffer.from(data ?? []).toString())).toEqual({ attempt: 1, target: 1, refusal: null });
  });

  test('to a workflow that is not there yet is postponed, not lost', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await send(job, 'callback', { attempt: 1, payload: { attempt: 1, outcome: 'finished' } });
    expect(await relay()).toBe(1);
    expect(
      await bench.row('SELECT tries, leased_until > clock_timestamp() AS later FROM mailbox WHERE job = $1', job),
    ).toEqual({
      tries: 1,
      later: true,
    });
    expect(await relay()).toBe(0);
    await send(job, 'start');
    await expireLeases();
    // Both are on their way at once: one may be late again.
    await expect.poll(async () => (await expireLeases(), await relay(), await bench.count('mailbox', job))).toBe(0);
    expect(await temporal.arrivedAt(job)).toEqual(['start', 'callback']);
  });

  test('to a closed workflow is dropped with its job, and kept while the job is open', async () => {
    const [over, open] = [await showOne(), await showOne()];
    for (const job of [over, open]) await temporal.client.workflow.getHandle(job).terminate();
    await settleJob(bench.pool, over, { phase: 'cancelled' });
    for (const job of [over, open]) await send(job, 'cancel');
    await relayAll();
    expect(await bench.count('mailbox', over)).toBe(0);
    expect(await bench.count('mailbox', open)).toBe(1);
  });
});

describe('a relay that dies', () => {
  test('leaves a lease that runs out; what it held is delivered by another', async () => {
    const job = await grantOne();
    expect(await leaseMail(bench.pool, 50)).toMatchObject([{ job, tries: 1 }]);
    expect(await relay()).toBe(0);
    await expireLeases();
    expect(await relay()).toBe(1);
    expect(await temporal.arrivedAt(job)).toEqual(['start']);
  });

  test('after it has delivered costs a second delivery and no second workflow', async () => {
    const job = await grantOne();
    const { rows } = await bench.pool.query('SELECT * FROM mailbox WHERE job = $1', [job]);
    await relayAll();
    await send(job, 'start', { attempt: rows[0].attempt, payload: rows[0].payload });
    await Promise.all([relayAll(), relayAll()]);
    expect((await temporal.arrivedAt(job)).filter((kind) => kind === 'start')).toHaveLength(1);
  });
});

test('a message that waits for its moment holds nobody up, and keeps one hand busy', async () => {
  const [waiting, due] = [await grantOne(), await grantOne()];
  await bench.pool.query(
    `UPDATE mailbox SET not_before = clock_timestamp() + interval '390 milliseconds' WHERE job = $1`,
    [waiting],
  );
  const one = openRelay({ handsMax: 2 });
  expect(await one.takeUp()).toBe(2);
  expect(one.freeHands()).toBe(0);
  await expect.poll(() => bench.count('mailbox', due), { interval: 5 }).toBe(0);
  expect(await bench.count('mailbox', waiting)).toBe(1);
  await one.idle();
  expect(one.freeHands()).toBe(2);
  expect(await bench.count('mailbox')).toBe(0);
});

test('without a free hand nothing is leased', async () => {
  await grantOne();
  expect(await openRelay({ handsMax: 0 }).takeUp()).toBe(0);
  expect(await bench.row('SELECT max(tries) AS tries FROM mailbox')).toEqual({ tries: 0 });
});

test('two relays at once deliver every message once', async () => {
  const pool = await bench.addPool();
  const jobs = await bench.accept({ pool, count: 60 });
  for (const job of jobs) await send(job, 'start');
  await relayAll();
  for (const job of jobs) await send(job, 'permit', { attempt: 1, payload: { attempt: 1, target: 0, grant: '1' } });
  const other = connectAgain(bench);
  try {
    await Promise.all([relayAll({ handsMax: 7 }), relayAll({ handsMax: 7, pool: other })]);
  } finally {
    await other.end();
  }
  const arrived = await Promise.all(jobs.map((job) => temporal.arrivedAt(job)));
  expect(new Set(arrived.map((kinds) => kinds.join()))).toEqual(new Set(['start,permit']));
  expect(await bench.count('mailbox')).toBe(0);
});

test('while Temporal is away mail stays, and is delivered when it is back', async () => {
  const job = await grantOne();
  // Without the interceptor that asks again: nobody will answer.
  const connection = Connection.lazy({ address: '127.0.0.1:1', interceptors: [] });
  const away = new Client({ connection, namespace: temporal.namespace });
  try {
    expect(await relay({ client: away })).toBe(1);
  } finally {
    await connection.close();
  }
  expect(await bench.count('mailbox', job)).toBe(1);
  await expireLeases();
  await relayAll();
  expect(await bench.count('mailbox', job)).toBe(0);
  expect(await temporal.arrivedAt(job)).toEqual(['start']);
});
