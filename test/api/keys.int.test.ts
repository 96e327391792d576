import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { apiKeyText, newApiKey } from '../../src/api/auth/api-key.ts';
import { revokeKey } from '../../src/db/tenants/api-keys.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { intercept } from '../db/intercept.ts';
import { until } from '../support/until.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';
import { makeKey, makeTenant, type TestKey } from './make-tenant.ts';

const staticKey = 's'.repeat(40);
let bench: ApiBench;
let acme: TestKey;
let now: number;
/** The statements that reached the database, by name. */
let statements: string[];
/** Whether the database answers. */
let isAway: boolean;

beforeAll(async () => {
  bench = await openApiBench({
    apiKey: staticKey,
    clock: () => now,
    poolOf: async ({ pool }) =>
      intercept(pool, async (name) => {
        statements.push(name);
        if (isAway) throw new Error('connection refused');
      }),
  });
  acme = await makeTenant(bench, 'acme');
});
afterAll(() => bench.close());
beforeEach(() => {
  // Each test begins with a process that has met no key lately.
  now = (now ?? Date.now()) + 3_600_000;
  statements = [];
  isAway = false;
});

const id = `video_${uuidv7()}`;
const path = `/v1/videos/${id}`;

/** 404 is what a caller gets who may ask for a video that there is not. */
async function statusWith(key: Pick<TestKey, 'headers'>): Promise<number> {
  return (await bench.get(path, key.headers)).status;
}

const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });
const lookups = () => statements.filter((name) => name === 'find_active_keys').length;

test('a key opens the API to its tenant, whose jobs are its own', async () => {
  const response = await bench.post({ prompt: 'a fox' }, acme.headers);
  expect(response.status).toBe(202);
  const video = await response.json();
  const { rows } = await bench.database.pool.query('SELECT tenant FROM jobs WHERE id = $1', [video.id]);
  expect(rows).toEqual([{ tenant: 'acme' }]);
  expect((await bench.get(`/v1/videos/${video.id}`, acme.headers)).status).toBe(200);
  expect((await bench.get(`/v1/videos/${video.id}`, bearer(staticKey).headers)).status).toBe(404);
});

test('a picture in the object store lies under its tenant', async () => {
  const wish = { bytes: 10, content_type: 'image/png' };
  const headers = { ...acme.headers, 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(wish) };
  expect((await fetch(`${bench.url}/v1/uploads`, init)).status).toBe(201);
  const { rows } = await bench.database.pool.query('SELECT tenant, key FROM uploads');
  expect(rows).toEqual([{ tenant: 'acme', key: expect.stringMatching(/^uploads\/acme\/upload_/) }]);
});

test('the static key goes on to speak for the default tenant', async () => {
  expect(await statusWith(bearer(staticKey))).toBe(404);
});

test('a key that is in use costs no statement', async () => {
  for (let count = 0; count < 20; count += 1) await statusWith(acme);
  expect(lookups()).toBe(1);
});

describe('whatever is wrong with a key looks the same', () => {
  let wrong: Record<string, string>;
  beforeAll(async () => {
    const [revoked, expired] = [await makeKey(bench, 'acme'), await makeKey(bench, 'acme')];
    await revokeKey(bench.database.pool, revoked.id);
    await bench.database.pool.query(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      expired.id,
    ]);
    const swapped = apiKeyText({ id: acme.id, secret: newApiKey().secret });
    wrong = {
      unknown: apiKeyText(newApiKey()),
      'with the secret of another': swapped,
      revoked: revoked.text,
      expired: expired.text,
      truncated: acme.text.slice(0, -1),
      'of another environment': acme.text.replace('_live_', '_test_'),
      foreign: 'sk-proj-1234',
      'a client token that is none': `spw_job_${'A'.repeat(72)}`,
      'with a NUL in UTF-8': `${acme.text.slice(0, -3)}%00`,
    };
  });

  test('401, of one shape', async () => {
    const shapes = new Set<string>();
    for (const [name, text] of Object.entries(wrong)) {
      const response = await bench.get(path, bearer(text).headers);
      const { request_id, ...body } = await response.json();
      expect([name, response.status, request_id]).toEqual([name, 401, response.headers.get('x-request-id')]);
      const headers = Object.fromEntries(response.headers);
      for (const own of ['x-request-id', 'date', 'etag']) delete headers[own];
      shapes.add(JSON.stringify([body, headers]));
    }
    expect([...shapes]).toHaveLength(1);
    expect(JSON.parse([...shapes][0] ?? '')).toMatchObject([
      { status: 401, code: 'unauthorized', error: { type: 'authentication_error' } },
      { 'www-authenticate': 'Bearer error="invalid_token"' },
    ]);
  });

  test('and creates nothing', async () => {
    const before = await bench.count('jobs');
    for (const text of Object.values(wrong))
      expect((await bench.post({ prompt: 'a fox' }, bearer(text).headers)).status).toBe(401);
    expect(await bench.count('jobs')).toBe(before);
  });
});

describe('a flood of bad keys', () => {
  test('costs no statement where they have not the form of a key', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => statusWith(bearer(`spw_live_${index}_${'x'.repeat(43)}`))),
    );
    expect(new Set(answers)).toEqual(new Set([401]));
    // Notes of keys that were in use before are nobody's concern here.
    expect(statements.filter((name) => name !== 'note_keys_used')).toEqual([]);
  });

  test('costs a few where they have, and none for one that comes again', async () => {
    const same = bearer(apiKeyText(newApiKey()));
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => statusWith(same))))).toEqual(new Set([401]));
    expect(lookups()).toBe(1);
    statements = [];
    const start = performance.now();
    const flood = Array.from({ length: 100 }, () => statusWith(bearer(apiKeyText(newApiKey()))));
    expect(new Set(await Promise.all(flood))).toEqual(new Set([401]));
    expect(lookups()).toBeLessThanOrEqual((performance.now() - start) / limits.lookupEveryMs + 2);
  });

  test('costs none where they guess the secret of a real one, which goes on to work', async () => {
    expect(await statusWith(acme)).toBe(404);
    const guesses = Array.from({ length: 50 }, () => statusWith(bearer(apiKeyText({ ...newApiKey(), id: acme.id }))));
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([401]));
    expect(await statusWith(acme)).toBe(404);
    expect(lookups()).toBe(1);
  });
});

describe('the life of a key', () => {
  test('the promise of its revocation is a minute', () => {
    expect(limits.keyServedMsMax).toBeLessThanOrEqual(60_000);
  });

  test('a revoked one is refused within a minute, also where it is in use all the time', async () => {
    const key = await makeKey(bench, 'acme');
    expect(await statusWith(key)).toBe(404);
    await revokeKey(bench.database.pool, key.id);
    const end = now + limits.keyServedMsMax;
    let status = 404;
    for (; now < end && status === 404; now += 1_000) status = await statusWith(key);
    expect(status).toBe(401);
    expect(await statusWith(acme)).toBe(404);
  });

  test('a revoked one that nobody used for a while is refused at once', async () => {
    const key = await makeKey(bench, 'acme');
    expect(await statusWith(key)).toBe(404);
    await revokeKey(bench.database.pool, key.id);
    now += limits.keyServedMsMax;
    expect(await statusWith(key)).toBe(401);
  });

  test('one expires on time, however fresh it is here', async () => {
    const key = await makeKey(bench, 'acme', { secondsValid: 20 });
    expect(await statusWith(key)).toBe(404);
    now += 10_000;
    expect(await statusWith(key)).toBe(404);
    now += 10_000;
    expect(await statusWith(key)).toBe(401);
  });

  test('while a tenant changes over both keys open', async () => {
    const next = await makeKey(bench, 'acme');
    expect([await statusWith(acme), await statusWith(next)]).toEqual([404, 404]);
  });

  test('that it is in use is noted beside the request, and not by every one', async () => {
    const key = await makeKey(bench, 'acme');
    const noted = async () => {
      const { rows } = await bench.database.pool.query('SELECT last_used_at FROM api_keys WHERE id = $1', [key.id]);
      return rows[0]?.last_used_at;
    };
    await Promise.all(Array.from({ length: 20 }, () => statusWith(key)));
    await until('the use is noted', async () => (await noted()) !== null);
    await statusWith(key);
    // One, and perhaps one of another key that was in use before.
    expect(statements.filter((name) => name === 'note_keys_used').length).toBeLessThanOrEqual(2);
  });
});

describe('what a key may do', () => {
  test.each([
    ['read', 404, 403],
    ['write', 403, 202],
    ['webhooks', 403, 403],
    ['admin', 403, 403],
  ] as const)('is what its scopes say: %s', async (scope, reading, writing) => {
    const key = await makeKey(bench, 'acme', { scopes: [scope] });
    expect(await statusWith(key)).toBe(reading);
    const posted = await bench.post({ prompt: 'a fox' }, key.headers);
    expect(posted.status).toBe(writing);
    if (posted.status !== 403) return;
    expect(posted.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="write"');
    expect(await posted.json()).toMatchObject({
      code: 'insufficient_scope',
      detail: expect.stringContaining('`write`'),
    });
  });
});

describe('while the database is away', () => {
  test('a key that was met goes on to be taken for a minute, and the request says what is wrong', async () => {
    expect((await bench.get('/v1/models', acme.headers)).status).toBe(200);
    isAway = true;
    for (const ageMs of [0, 30_000, limits.keyServedMsMax - 30_001]) {
      now += ageMs;
      expect((await bench.get('/v1/models', acme.headers)).status).toBe(200);
    }
    now += 1;
    const response = await bench.get('/v1/models', acme.headers);
    expect([response.status, (await response.json()).code]).toEqual([503, 'database_unavailable']);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  test('one that was not is a 503 and no 401, which a client would give up at', async () => {
    isAway = true;
    expect(await statusWith(bearer(apiKeyText(newApiKey())))).toBe(503);
    expect(await statusWith(bearer('spw_live_x'))).toBe(401);
    isAway = false;
    expect(await statusWith(acme)).toBe(404);
  });

  test('the static key needs no database', async () => {
    isAway = true;
    expect((await bench.get('/v1/models', bearer(staticKey).headers)).status).toBe(200);
  });
});

test('no secret is kept', async () => {
  const { rows } = await bench.database.pool.query('SELECT to_jsonb(api_keys) AS row FROM api_keys');
  expect(JSON.stringify(rows)).not.toContain(acme.text.split('_')[3]);
});

describe('a request target that different readers understand differently opens nothing', () => {
  let writer: TestKey;
  beforeAll(async () => {
    await makeTenant(bench, 'raw');
    writer = await makeKey(bench, 'raw', { scopes: ['write'] });
  });

  /** The answer as it comes, to a request line that no client of ours would send. */
  async function sendRaw(target: string, authorization: string): Promise<string> {
    const { hostname, port } = new URL(bench.url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(
      `POST ${target} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n` +
        'content-length: 28\r\nconnection: close\r\n\r\n{"url":"https://a.example/"}',
    );
    return await text(socket);
  }

  test.each([
    'http://x/v1/webhook_endpoints',
    'HTTP://x/v1/webhook_endpoints',
    '/v1\\webhook_endpoints#',
    '\\v1\\webhook_endpoints',
    '/v1/webhook_endpoints#x',
    '*',
  ])('%s', async (target) => {
    const { headers } = writer;
    const before = await bench.count('webhook_endpoints');
    expect(await sendRaw(target, headers.authorization)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await bench.count('webhook_endpoints')).toBe(before);
  });

  test('but for the one that all understand alike, which is judged by its scope', async () => {
    const { headers } = writer;
    expect(await sendRaw('/v1/webhook_endpoints', headers.authorization)).toMatch(/^HTTP\/1\.1 403 /);
  });
});
