import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClientTokens } from '../../../src/api/auth/client-token.ts';
import { findClientTokenSecret } from '../../../src/db/tenants/signing-keys.ts';
import { intercept } from '../../db/intercept.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from '../api-bench.ts';
import { makeTenant, type TestKey } from '../make-tenant.ts';

let bench: ApiBench;
let acme: TestKey;
let now: number;
let statements: string[];
let isAway: boolean;
beforeAll(async () => {
  bench = await openApiBench({
    requireKeys: true,
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
  now = Date.now();
  statements = [];
  isAway = false;
});

interface Accepted {
  readonly id: string;
  readonly client_token: string;
}

async function accepted(headers: Record<string, string> = acme.headers): Promise<Accepted> {
  const response = await bench.post({ prompt: 'a fox' }, headers);
  expect(response.status).toBe(202);
  return await response.json();
}

const statusOf = async (path: string, headers?: Record<string, string>) => (await bench.get(path, headers)).status;

test('the answer to a request has a token that reads its job, in the URL or as a bearer token', async () => {
  const { id, client_token: token } = await accepted();
  const [byUrl, byHeader] = await Promise.all([
    bench.get(`/v1/videos/${id}?token=${token}`),
    bench.get(`/v1/videos/${id}`, { authorization: `Bearer ${token}` }),
  ]);
  expect([byUrl.status, byHeader.status]).toEqual([200, 200]);
  const video = await byUrl.json();
  expect(video).toMatchObject({ id, status: 'queued' });
  // Whoever reads a job has no use for another token of it.
  expect(video).not.toHaveProperty('client_token');
});

test('a replayed answer has the same token', async () => {
  const headers = { ...acme.headers, 'idempotency-key': 'once' };
  const first = await accepted(headers);
  const again = await accepted(headers);
  expect(again).toEqual(first);
  expect(first.client_token).toMatch(/^spw_job_[\w-]{72}$/);
});

test('a page that plays the video by its token tells nobody where it got it', async () => {
  const { id, client_token: token } = await accepted();
  await beginAttempt(bench, id, 'token');
  await bench.database.pool.query(`UPDATE attempts SET tenant = 'acme' WHERE job = $1`, [id]);
  await completeJob(bench, id, 'a video');
  const response = await bench.get(`/v1/videos/${id}/content?token=${token}`);
  expect([response.status, await response.text()]).toEqual([200, 'a video']);
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
});

describe('a token is worth nothing', () => {
  test.each([
    ['forged', (token: string) => `${token.slice(0, -4)}AAAA`],
    ['cut short', (token: string) => token.slice(0, -1)],
    ['written in another way', (token: string) => `${token}=`],
    ['with the expiry of another', (token: string) => `${token.slice(0, 30)}_${token.slice(31)}`],
    ['empty', () => ''],
    ['an API key', () => acme.text],
  ])('%s, and costs no statement', async (_name, change) => {
    const { id, client_token: token } = await accepted();
    statements = [];
    const response = await bench.get(`/v1/videos/${id}?token=${change(token)}`);
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"']);
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(statements).toEqual([]);
  });

  test('after a day', async () => {
    const { id, client_token: token } = await accepted();
    now += 24 * 3_600_000 - 60_000;
    expect(await statusOf(`/v1/videos/${id}?token=${token}`)).toBe(200);
    now += 61_000;
    expect(await statusOf(`/v1/videos/${id}?token=${token}`)).toBe(401);
  });

  test('for a job that there is not', async () => {
    const sign = await createClientTokens(() => findClientTokenSecret(bench.database.pool)).ready();
    const id = `video_${uuidv7()}`;
    expect(await statusOf(`/v1/videos/${id}?token=${sign({ id, acceptedAt: now })}`)).toBe(401);
  });

  test('for any other job, and tells of none', async () => {
    const [mine, other] = [await accepted(), await accepted()];
    for (const id of [other.id, `video_${uuidv7()}`, 'video_1'])
      expect([id, await statusOf(`/v1/videos/${id}?token=${mine.client_token}`)]).toEqual([id, 404]);
  });

  test('for anything but reading', async () => {
    const { id, client_token: token } = await accepted();
    const send = async (method: string, path: string) =>
      (await fetch(`${bench.url}${path}?token=${token}`, { method })).status;
    expect(await send('POST', `/v1/videos/${id}/cancel`)).toBe(403);
    expect(await send('DELETE', `/v1/videos/${id}`)).toBe(403);
    expect(await send('POST', '/v1/videos')).toBe(403);
    expect(await send('GET', '/v1/videos')).toBe(403);
    expect(await send('GET', '/v1/models')).toBe(403);
    expect(await send('GET', `/v1/videos/${id}/timeline`)).toBe(403);
    expect(await statusOf(`/v1/videos/${id}`, acme.headers)).toBe(200);
  });
});

test('a key goes into the header and nowhere else', async () => {
  const { id, client_token: token } = await accepted();
  expect(await statusOf(`/v1/videos/${id}?token=${acme.text}`)).toBe(401);
  // With a key in the header the token has no say.
  expect(await statusOf(`/v1/videos/${id}/timeline?token=${token}`, acme.headers)).toBe(200);
});

test('without the secret of tokens nothing is accepted, so that no answer is without its token', async () => {
  const other = await openApiBench({
    poolOf: async ({ pool }) =>
      intercept(pool, async (statement) => {
        if (isAway && statement.includes('signing_keys')) throw new Error('connection refused');
      }),
  });
  try {
    isAway = true;
    expect((await other.post({ prompt: 'a fox' })).status).toBe(503);
    expect(await other.count('jobs')).toBe(0);
    isAway = false;
    expect((await other.post({ prompt: 'a fox' })).status).toBe(202);
  } finally {
    await other.close();
  }
});
