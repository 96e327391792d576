import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readLastReadings } from '../../src/db/mailbox/callback-readings.ts';
import { findUrlSecret } from '../../src/db/tenants/signing-keys.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { askEcho } from '../../src/operations/callback-echo.ts';
import type { CallbackDelivery, CallbackReading } from '../../src/providers/provider.ts';
import { type ApiBench, beginAttempt, openApiBench } from './api-bench.ts';

let bench: ApiBench;
let now = 1_000_000;
let reading: CallbackReading;
let delivered: CallbackDelivery | undefined;
beforeAll(async () => {
  const readCallback = async (delivery: CallbackDelivery) => {
    delivered = delivery;
    return reading;
  };
  bench = await openApiBench({
    // Providers have no key: their URL is the secret.
    apiKey: 'a-key',
    clock: () => now,
    providers: new Map([
      ['acme', { readCallback }],
      ['mute', {}],
    ]),
  });
});
afterAll(() => bench.close());
beforeEach(() => {
  now += 60_000;
});

const token = 'unguessable-token_1';
const finished: CallbackReading = {
  kind: 'report',
  operation: 'op-1',
  progress: { kind: 'finished', video: { url: 'https://acme.test/v.mp4' } },
};

async function newAttempt(): Promise<string> {
  const id = `video_${uuidv7()}`;
  await bench.database.pool.query(
    `INSERT INTO jobs (id, tenant, model, route, priority, queue_deadline) VALUES ($1, 'default', 'm', '[]', 1, now() + '1 h')`,
    [id],
  );
  await beginAttempt(bench, id, token);
  return id;
}

function call(path: string, body: string | Uint8Array<ArrayBuffer> = '{}', headers = {}): Promise<Response> {
  return fetch(`${bench.url}/v1/callbacks/${path}`, { method: 'POST', body, headers });
}

const mailOf = async (id: string) =>
  (await bench.database.pool.query('SELECT kind, attempt, payload FROM mailbox WHERE job = $1', [id])).rows;
const attemptOf = async (id: string) =>
  (await bench.database.pool.query('SELECT * FROM attempts WHERE job = $1', [id])).rows[0];

test('a proven end is committed before it is answered, once', async () => {
  const id = await newAttempt();
  reading = { ...finished, operation: `op-${id}` };
  const told = bench.told.mail;
  const body = '{"any" : "bytes\u00e9"}';
  const response = await call(`acme/${id}.1/${token}`, body, { 'x-signature': 'abc' });
  expect(response.status).toBe(204);
  expect(Buffer.from(delivered?.rawBody ?? []).toString()).toBe(body);
  expect(delivered).toMatchObject({ headers: { 'x-signature': 'abc' }, now });
  expect(await attemptOf(id)).toMatchObject({
    outcome: 'finished',
    evidence: 'callback',
    operation: `op-${id}`,
    video_url: 'https://acme.test/v.mp4',
  });
  expect(await mailOf(id)).toEqual([{ kind: 'callback', attempt: 1, payload: { attempt: 1, outcome: 'finished' } }]);
  expect(bench.told.mail).toBe(told + 1);
  const { rows } = await bench.database.pool.query('SELECT body_sha256, kind FROM callback_inbox WHERE job = $1', [id]);
  expect(rows).toEqual([{ kind: 'finished', body_sha256: createHash('sha256').update(body).digest() }]);

  expect((await call(`acme/${id}.1/${token}`, body)).status).toBe(204);
  expect((await call(`acme/${id}.1/${token}`, 'another body')).status).toBe(204);
  expect(await mailOf(id)).toHaveLength(1);
  expect(bench.told.mail).toBe(told + 1);
});

test('a proven failure keeps its code and no words', async () => {
  const id = await newAttempt();
  reading = {
    kind: 'report',
    operation: `op-${id}`,
    progress: { kind: 'failed', failure: failureOf('moderation', { vendorCode: '1403' }) },
  };
  expect((await call(`acme/${id}.1/${token}`)).status).toBe(204);
  expect(await attemptOf(id)).toMatchObject({
    outcome: 'failed',
    failure: { code: 'moderation' },
    cost_usd_micros: '0',
  });
  expect(await mailOf(id)).toMatchObject([
    { payload: { outcome: 'failed', failure: { code: 'moderation', vendorCode: '1403' } } },
  ]);
});

test('a proven word under way names the operation and ends nothing', async () => {
  const id = await newAttempt();
  reading = { kind: 'report', operation: `op-${id}`, progress: { kind: 'running' } };
  expect((await call(`acme/${id}.1/${token}`)).status).toBe(204);
  expect(await attemptOf(id)).toMatchObject({ state: 'accepted', operation: `op-${id}`, ended_at: null });
  expect(await mailOf(id)).toEqual([]);
});

test.each([
  [{ kind: 'unsigned' }, 204],
  [{ kind: 'unreadable', reason: 'x' }, 204],
  [{ kind: 'forged', reason: 'signature_wrong' }, 401],
] as const)('what is not proven (%j) is a %i and one check', async (unproven, status) => {
  const id = await newAttempt();
  reading = unproven;
  expect((await call(`acme/${id}.1/${token}`)).status).toBe(status);
  expect(await attemptOf(id)).toMatchObject({ ended_at: null, outcome: null });
  expect(await mailOf(id)).toEqual([{ kind: 'repair', attempt: 1, payload: {} }]);

  // Delivered already: within five seconds there is no other.
  await bench.database.pool.query('DELETE FROM mailbox WHERE job = $1', [id]);
  now += 4_999;
  expect((await call(`acme/${id}.1/${token}`)).status).toBe(status);
  expect(await mailOf(id)).toEqual([]);
  now += 1;
  await call(`acme/${id}.1/${token}`);
  expect(await mailOf(id)).toHaveLength(1);
});

test('an attempt that has ended is not checked again', async () => {
  const id = await newAttempt();
  await bench.database.pool.query(`SELECT end_attempt($1, 1, 'check', 'lost', NULL, NULL, NULL)`, [id]);
  reading = { kind: 'unsigned' };
  expect((await call(`acme/${id}.1/${token}`)).status).toBe(204);
  expect(await mailOf(id)).toEqual([]);
});

test.each([
  ['a wrong token', (id: string) => `acme/${id}.1/${token}x`],
  ['another attempt', (id: string) => `acme/${id}.2/${token}`],
  ['another job', () => `acme/video_${uuidv7()}.1/${token}`],
  ['an unknown provider', (id: string) => `other/${id}.1/${token}`],
  ['a provider that calls nobody', (id: string) => `mute/${id}.1/${token}`],
  ['no attempt', (id: string) => `acme/${id}/${token}`],
  ['attempt zero', (id: string) => `acme/${id}.0/${token}`],
  ['an attempt beyond numbers', (id: string) => `acme/${id}.99999999999/${token}`],
  ['an attempt that is no number', (id: string) => `acme/${id}.1e3/${token}`],
  ['more than an attempt', (id: string) => `acme/${id}.1.1/${token}`],
  ['a NUL', (id: string) => `acme/${id}.1/%00`],
  ['SQL', (id: string) => `acme/${id}.1/'%20OR%20'1'='1`],
])('%s is a 404, counted, and nothing is kept', async (_name, pathOf) => {
  const id = await newAttempt();
  for (const unknown of [finished, { kind: 'unsigned' }, { kind: 'forged', reason: 'x' }] as const) {
    reading = unknown;
    const response = await call(pathOf(id));
    expect([response.status, (await response.json()).code]).toEqual([404, 'unknown_attempt']);
  }
  expect(await mailOf(id)).toEqual([]);
  expect(await attemptOf(id)).toMatchObject({ ended_at: null });
  expect(await bench.registry.metrics()).toMatch(/spillway_api_callbacks_total\{[^}]*kind="unknown_attempt"/);
});

test('of an attempt that we lost, what came to its own address says its name, whoever spoke of it before', async () => {
  const id = `video_${uuidv7()}`;
  const nameOf = async (): Promise<unknown> =>
    (await bench.database.pool.query('SELECT operation FROM orphans WHERE job = $1', [id])).rows;
  reading = { ...finished, operation: 'op-of-somebody' };
  await call(`acme/${id}.1/${token}`);
  expect(await nameOf()).toEqual([{ operation: 'op-of-somebody' }]);
  const { rows } = await bench.database.pool.query<{ own: string }>('SELECT attempt_token($1, 1) AS own', [id]);
  reading = { ...finished, operation: 'op-ours' };
  expect((await call(`acme/${id}.1/${rows[0]?.own ?? ''}`)).status).toBe(404);
  expect(await nameOf()).toEqual([{ operation: 'op-ours' }]);
});

test('a body is bounded, not inflated, and may be empty', async () => {
  const id = await newAttempt();
  reading = { kind: 'unsigned' };
  const path = `acme/${id}.1/${token}`;
  expect((await call(path, 'x'.repeat(256 * 1024 + 1))).status).toBe(413);
  expect((await call(path, 'x', { 'content-encoding': 'gzip' })).status).toBe(415);
  expect(await mailOf(id)).toEqual([]);
  expect((await call(path, '')).status).toBe(204);
  expect((await call(path, Uint8Array.of(0, 255, 1), { 'content-type': 'text/plain; charset=nonsense' })).status).toBe(
    204,
  );
  expect(delivered?.rawBody).toEqual(Buffer.from([0, 255, 1]));
});

test('the route takes POST alone', async () => {
  const response = await bench.get(`/v1/callbacks/acme/x/y`);
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
});

describe('for `npm run doctor`', () => {
  test('what the last callback of a provider turned out to be is noted, and of an unknown attempt nothing', async () => {
    const { pool } = bench.database;
    await pool.query('DELETE FROM callback_readings');
    const id = await newAttempt();
    const noted = async () =>
      (await readLastReadings(pool)).map(({ reading, verifiedAt }) => [reading, verifiedAt !== null]);
    reading = { kind: 'forged', reason: 'a test' };
    expect((await call(`acme/${id}.1/another-token`)).status).toBe(404);
    expect((await call(`acme/${id}.1/${token}`)).status).toBe(401);
    // Had the first one been noted, it would have been before this.
    await expect.poll(noted).toEqual([['forged', false]]);
    reading = { ...finished, operation: `op-${id}` };
    expect((await call(`acme/${id}.1/${token}`)).status).toBe(204);
    await expect.poll(noted).toEqual([['report', true]]);
    now += 60_000;
    reading = { kind: 'unsigned' };
    expect((await call(`acme/${id}.1/${token}`, 'unproven')).status).toBe(204);
    await expect.poll(noted).toEqual([['unsigned', true]]);
  });

  test('an echo is answered to whoever knows the secret of the database, and to nobody else', async () => {
    const secret = await findUrlSecret(bench.database.pool);
    const { question, answer } = askEcho(secret, now);
    const response = await call(`echo/${question}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({ answer });
    // Again at once: one answer in a while.
    expect((await call(`echo/${question}`)).status).toBe(503);
    now += 1_000;
    const stranger = askEcho(Buffer.from('another secret'), now);
    expect((await call(`echo/${stranger.question}`)).status).toBe(404);
    expect((await call('echo/nonsense')).status).toBe(404);
    now += 61_000;
    expect((await call(`echo/${question}`)).status).toBe(404);
    expect((await fetch(`${bench.url}/v1/callbacks/echo/${question}`)).status).toBe(405);
  });
});
