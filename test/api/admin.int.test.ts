import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { operations } from '../../src/api/openapi/document.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { scopes } from '../../src/domain/tenant.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';
import { makeKey, makeTenant, type TestKey } from './make-tenant.ts';

let bench: ApiBench;
let operator: TestKey;
let tenant: TestKey;
beforeAll(async () => {
  bench = await openApiBench({ apiKey: 's'.repeat(40) });
  tenant = await makeTenant(bench, 'acme');
  operator = await makeKey(bench, 'acme', { scopes: ['admin'] });
  const targets = [{ name: 'acme/wan-2.6', outstandingMax: null, perMinuteMax: null }];
  await upsertPools(bench.database.pool, [
    { id: 'acme-main', provider: 'acme', outstandingMax: 10, perMinuteMax: 600, targets },
  ]);
});
afterAll(() => bench.close());
beforeEach(() => bench.database.pool.query('DELETE FROM pauses; DELETE FROM limit_overrides'));

interface Call {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(line: string, { body, headers = {} }: Call = {}) {
  const [method = '', path = ''] = line.split(' ');
  const response = await fetch(`${bench.url}${path}`, {
    method,
    headers: { ...operator.headers, ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: text === '' ? undefined : JSON.parse(text), headers: response.headers };
}

const actionsOf = async (subject: string) => (await call(`GET /v1/admin/actions?subject=${subject}`)).json.data;

describe('who may', () => {
  const lines = operations
    .filter(({ path }) => path.startsWith('/v1/admin'))
    .map(({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, 'target')}`);

  test('there are such calls', () => expect(lines.length).toBeGreaterThanOrEqual(11));

  test.each(lines)('%s takes the scope `admin`, whichever way it is written', async (line) => {
    const key = await makeKey(bench, 'acme', { scopes: scopes.filter((scope) => scope !== 'admin') });
    for (const written of [line, line.replace('/v1/admin', '/V1/Admin'), `${line}/`])
      expect(await call(written, { headers: key.headers })).toMatchObject({
        status: 403,
        json: { code: 'insufficient_scope' },
      });
    await bench.database.pool.query('DELETE FROM api_keys WHERE id = $1', [key.id]);
  });

  test('a client token never does', async () => {
    const created = await bench.post({ prompt: 'a fox' }, tenant.headers);
    const { client_token: token, id } = await created.json();
    for (const line of ['GET /v1/admin/stuck', `GET /v1/admin/jobs/${id}`, 'GET /v1/admin/pools'])
      expect((await call(line, { headers: { authorization: `Bearer ${token}` } })).status).toBe(403);
  });

  test('a key of operators’ alone reads and writes no tenant’s videos', async () => {
    expect((await call('GET /v1/videos')).status).toBe(403);
    expect((await call('POST /v1/videos', { body: { prompt: 'a fox' } })).status).toBe(403);
  });

  test('the static key does, where tenants have no keys', async () => {
    const headers = { authorization: `Bearer ${'s'.repeat(40)}` };
    expect((await call('GET /v1/admin/pools', { headers })).status).toBe(200);
    await call('PUT /v1/admin/pauses/pool/acme-main', { headers, body: { reason: 'who is it' } });
    expect((await call('GET /v1/admin/pauses')).json.data).toMatchObject([{ actor: 'operator' }]);
  });
});

describe('pauses', () => {
  test('are made, listed and ended, with who and why, and wake the grant pass', async () => {
    const told = bench.told.accepted;
    const body = { reason: 'an incident', for_seconds: 3_600, drain: true };
    expect(await call('PUT /v1/admin/pauses/target/acme~wan-2.6', { body })).toMatchObject({
      status: 200,
      json: { object: 'control', subject: 'acme/wan-2.6', outcome: 'done' },
    });
    const { data } = (await call('GET /v1/admin/pauses')).json;
    expect(data).toMatchObject([
      { kind: 'target', subject: 'acme/wan-2.6', drains: true, actor: `key ${operator.id}`, reason: 'an incident' },
    ]);
    expect(Date.parse(data[0].until)).toBeGreaterThan(Date.now());
    const [pool] = (await call('GET /v1/admin/pools')).json.data;
    expect(pool).toMatchObject({ id: 'acme-main', paused: false, targets: [{ state: 'draining' }] });

    // Encoded, as well.
    const ended = await call('DELETE /v1/admin/pauses/target/acme%2Fwan-2.6?reason=it+is+over');
    expect(ended.json).toMatchObject({ outcome: 'done' });
    expect((await call('DELETE /v1/admin/pauses/target/acme~wan-2.6?reason=again')).json.outcome).toBe('absent');
    expect(bench.told.accepted).toBeGreaterThan(told);
    expect(await actionsOf('acme/wan-2.6')).toMatchObject([
      { action: 'resume', actor: `key ${operator.id}`, reason: 'it is over' },
      {
        action: 'drain',
        actor: `key ${operator.id}`,
        reason: 'an incident',
        detail: { kind: 'target', seconds: 3_600 },
      },
    ]);
  });

  test('under one Idempotency-Key are made once', async () => {
    const headers = { 'idempotency-key': 'the-same' };
    const body = { reason: 'once' };
    const order = () => call('PUT /v1/admin/pauses/pool/acme-main', { body, headers });
    expect((await order()).json.outcome).toBe('done');
    await call('DELETE /v1/admin/pauses/pool/acme-main?reason=over');
    expect((await order()).json.outcome).toBe('repeated');
    expect((await call('GET /v1/admin/pauses')).json.data).toEqual([]);
    // With another wish it is refused: nobody is to think that it was carried out.
    const other = { body: { reason: 'once', for_seconds: 60 }, headers };
    expect(await call('PUT /v1/admin/pauses/pool/acme-main', other)).toMatchObject({
      status: 422,
      json: { code: 'idempotency_key_reused' },
    });
    // Of another subject it is another order.
    expect((await call('PUT /v1/admin/pauses/tenant/acme', { body, headers })).json.outcome).toBe('done');
  });

  test.each([
    ['PUT /v1/admin/pauses/pool/none', { reason: 'x' }, 404],
    ['PUT /v1/admin/pauses/tenant/none', { reason: 'x' }, 404],
    ['PUT /v1/admin/pauses/planet/acme-main', { reason: 'x' }, 404],
    ['PUT /v1/admin/pauses/pool/%00', { reason: 'x' }, 404],
    ['PUT /v1/admin/pauses/pool/acme-main', {}, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: ' ' }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: 'two\nlines' }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: 'x', drain: true }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: 'x', for_seconds: 0 }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: 'x', for_seconds: 1e12 }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', { reason: 'x', planet: 1 }, 400],
    ['PUT /v1/admin/pauses/pool/acme-main', '[]', 400],
    ['DELETE /v1/admin/pauses/pool/acme-main', undefined, 400],
    ['POST /v1/admin/pauses/pool/acme-main', undefined, 405],
  ])('%s %j is refused with %i, and changes nothing', async (line, body, status) => {
    expect((await call(line, { body })).status).toBe(status);
    expect((await call('GET /v1/admin/pauses')).json.data).toEqual([]);
  });
});

test('a pause waits for a grant pass that is under way, longer than any other statement', async () => {
  const held = await bench.database.pool.connect();
  try {
    await held.query('BEGIN');
    await held.query(`SELECT 1 FROM pools WHERE id = 'acme-main' FOR NO KEY UPDATE`);
    const order = call('PUT /v1/admin/pauses/pool/acme-main', { body: { reason: 'slow' } });
    const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '1.2 seconds'`;
    await expect.poll(async () => (await held.query(waiting)).rows[0].count, { timeout: 10_000 }).toBe(1);
    await held.query('COMMIT');
    expect(await order).toMatchObject({ status: 200, json: { outcome: 'done' } });
  } finally {
    held.release();
  }
});

test('a long text that is no line is refused at once', async () => {
  const since = performance.now();
  const body = { reason: `${'x'.repeat(60_000)}\n` };
  expect((await call('PUT /v1/admin/pauses/pool/acme-main', { body })).status).toBe(400);
  // The pattern it had took fourteen seconds of the event loop.
  expect(performance.now() - since).toBeLessThan(4_000);
});

describe('limits', () => {
  test('are overridden for a while, and come back', async () => {
    const body = { outstanding_max: 3, for_seconds: 60, reason: 'throttled' };
    expect((await call('PUT /v1/admin/pools/acme-main/limits', { body })).json.outcome).toBe('done');
    const [pool] = (await call('GET /v1/admin/pools')).json.data;
    expect(pool).toMatchObject({
      outstanding_max: 10,
      override: { outstanding_max: 3, per_minute_max: null, actor: `key ${operator.id}` },
    });
    expect((await call('DELETE /v1/admin/pools/acme-main/limits?reason=over')).json.outcome).toBe('done');
    expect((await call('GET /v1/admin/pools')).json.data).toMatchObject([{ override: null }]);
    expect(await actionsOf('acme-main')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: 'limits', reason: 'throttled' }),
        expect.objectContaining({ action: 'clear_limits', reason: 'over' }),
      ]),
    );
  });

  test.each([
    ['none', { outstanding_max: 3, for_seconds: 60, reason: 'x' }, 404],
    ['acme-main', { for_seconds: 60, reason: 'x' }, 400],
    ['acme-main', { outstanding_max: 3, reason: 'x' }, 400],
    ['acme-main', { outstanding_max: 0, for_seconds: 60, reason: 'x' }, 400],
    ['acme-main', { outstanding_max: 1.5, for_seconds: 60, reason: 'x' }, 400],
  ])('of %s as %j are refused with %i', async (pool, body, status) => {
    expect((await call(`PUT /v1/admin/pools/${pool}/limits`, { body })).status).toBe(status);
  });
});

describe('jobs', () => {
  test('of any tenant are told without what their callers have written', async () => {
    const secret = 'a prompt that nobody else may read';
    const created = await bench.post(
      { prompt: secret, metadata: { note: secret }, user: 'secret-user' },
      tenant.headers,
    );
    const { id } = await created.json();
    await bench.database.pool.query(
      `UPDATE tickets SET accepted_at = accepted_at - interval '2 hours' WHERE job = $1`,
      [id],
    );
    await bench.database.pool.query(`UPDATE jobs SET accepted_at = accepted_at - interval '2 hours' WHERE id = $1`, [
      id,
    ]);
    const job = await call(`GET /v1/admin/jobs/${id}`);
    expect(job).toMatchObject({
      status: 200,
      json: {
        id,
        tenant: 'acme',
        status: 'queued',
        route: ['acme/wan-2.6'],
        stuck: { cause: 'waiting_capacity' },
        ticket: { attempt: 1, kind: 'first', pool: 'acme-main', target: 'acme/wan-2.6', parked_until: null },
        permits: [],
        attempts: [],
        mail: [],
        webhooks: [],
        workflow: { status: 'AWAY', run_id: null },
      },
    });
    const stuck = await call('GET /v1/admin/stuck?cause=waiting_capacity&limit=5');
    expect(stuck.json.data).toMatchObject([{ id, tenant: 'acme', stuck: { cause: 'waiting_capacity' } }]);
    for (const { text } of [job, stuck, await call('GET /v1/admin/actions')]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain('secret-user');
    }
    expect((await call('GET /v1/admin/stuck?cause=no_credit')).json.data).toEqual([]);
  });

  test.each([
    ['GET /v1/admin/jobs/none', 400],
    [`GET /v1/admin/jobs/video_${uuidv7()}`, 404],
    ['GET /v1/admin/stuck?cause=boredom', 400],
    ['GET /v1/admin/stuck?limit=0', 400],
    ['GET /v1/admin/actions?after=x', 400],
    ['GET /v1/admin/actions?planet=x', 400],
  ])('%s is %i', async (line, status) => {
    expect((await call(line)).status).toBe(status);
  });
});

describe('repairs', () => {
  const job = `video_${uuidv7()}`;
  test.each([
    [{ repair: 'poll_now', reason: 'x' }, 404],
    [{ repair: 'poll_now' }, 400],
    [{ repair: 'dance', reason: 'x' }, 400],
    [{ reason: 'x' }, 400],
    [{ repair: 'switch_target', reason: 'x' }, 400],
    [{ repair: 'extend_deadline', reason: 'x', seconds: 0 }, 400],
    [{ repair: 'poll_now', reason: 'x', force: true }, 400],
    // Nobody could repeat it without paying again.
    [{ repair: 'resubmit', reason: 'x', force: true }, 400],
  ])('%j of a job that there is not is %i', async (body, status) => {
    expect((await call(`POST /v1/admin/jobs/${job}/repairs`, { body })).status).toBe(status);
  });

  test('a dry run says which jobs it would be, and does nothing', async () => {
    const body = { repair: 'poll_now', cause: 'waiting_capacity', dry_run: true, reason: 'to see' };
    const { json } = await call('POST /v1/admin/repairs', { body });
    expect(json.data).toMatchObject([{ tenant: 'acme', outcome: 'planned', detail: null }]);
    const { rows } = await bench.database.pool.query('SELECT 1 FROM mailbox');
    expect(rows).toEqual([]);
  });

  test('is told to come back while Temporal can’t be reached', async () => {
    const { id } = await (await bench.post({ prompt: 'a fox' }, tenant.headers)).json();
    const body = { repair: 'poll_now', reason: 'x' };
    expect(await call(`POST /v1/admin/jobs/${id}/repairs`, { body })).toMatchObject({
      status: 503,
      json: { code: 'temporal_unavailable' },
    });
    const many = { ...body, cause: 'waiting_capacity', limit: 1 };
    expect((await call('POST /v1/admin/repairs', { body: many })).json.data).toMatchObject([{ outcome: 'away' }]);
  });

  test('a job that has ended is left alone', async () => {
    const { id } = await (await bench.post({ prompt: 'a fox' }, tenant.headers)).json();
    await fetch(`${bench.url}/v1/videos/${id}/cancel`, { method: 'POST', headers: tenant.headers });
    const body = { repair: 'give_up', reason: 'x' };
    expect(await call(`POST /v1/admin/jobs/${id}/repairs`, { body })).toMatchObject({
      status: 409,
      json: { code: 'job_final' },
    });
  });
});

test('what operators did is paged from one that was seen', async () => {
  const [newest] = (await call('GET /v1/admin/actions?limit=1')).json.data;
  await call('PUT /v1/admin/pauses/pool/acme-main', { body: { reason: 'one' } });
  await call('PUT /v1/admin/pauses/tenant/acme', { body: { reason: 'two' } });
  const since = await call(`GET /v1/admin/actions?after=${newest.id}`);
  expect(since.json.data.map(({ reason }: { reason: string }) => reason)).toEqual(['one', 'two']);
});

test('where tenants have keys, the static key is nobody’s to operate with', async () => {
  const apiKey = 't'.repeat(40);
  const strict = await openApiBench({ apiKey, requireKeys: true });
  try {
    const headers = { authorization: `Bearer ${apiKey}` };
    const [videos, pools] = await Promise.all(
      ['/v1/videos', '/v1/admin/pools'].map((path) => fetch(`${strict.url}${path}`, { headers })),
    );
    expect(videos?.status).toBe(200);
    expect(pools?.status).toBe(403);
  } finally {
    await strict.close();
  }
});
