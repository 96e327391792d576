import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOpsApp } from '../../src/api/ops-app.ts';
import { problemKinds } from '../../src/api/problems/problem-kinds.ts';
import { createServer, listen } from '../../src/api/server.ts';
import { createPool } from '../../src/db/pool.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

const apiKey = 'k'.repeat(40);
let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench({ apiKey });
});
afterAll(() => bench.close());

const id = `video_${uuidv7()}`;

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['a wrong one', `Bearer ${'x'.repeat(40)}`],
  ['a longer one', `Bearer ${apiKey}k`],
  ['a shorter one', `Bearer ${apiKey.slice(1)}`],
  ['another scheme', `Basic ${apiKey}`],
  ['the bare key', apiKey],
  ['two words', `Bearer ${apiKey} x`],
])('without the key there is nothing to see: %s', async (_name, authorization) => {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const answers = await Promise.all([
    bench.post({ prompt: 'a' }, headers),
    bench.get(`/v1/videos/${id}`, headers),
    bench.get('/v1/anything', headers),
  ]);
  for (const response of answers) {
    expect(response.status).toBe(401);
    const isShown = /^bearer \S+$/i.test(authorization ?? '');
    expect(response.headers.get('www-authenticate')).toBe(isShown ? 'Bearer error="invalid_token"' : 'Bearer');
    expect(await response.json()).toMatchObject({ code: 'unauthorized', error: { type: 'authentication_error' } });
  }
  expect(await bench.count('jobs')).toBe(0);
});

test.each(['Bearer', 'bearer', 'BEARER '])('the key opens: %s', async (scheme) => {
  expect((await bench.get(`/v1/videos/${id}`, { authorization: `${scheme} ${apiKey}` })).status).toBe(404);
});

test.each([
  ['PUT', '/v1/videos', 'GET, HEAD, POST'],
  ['PUT', `/v1/videos/${id}`, 'GET, HEAD, DELETE'],
  ['POST', `/v1/videos/${id}/content`, 'GET, HEAD'],
  ['PATCH', `/v1/videos/${id}/timeline`, 'GET, HEAD'],
  ['GET', `/v1/videos/${id}/cancel`, 'POST'],
  ['POST', '/problems/not_found', 'GET, HEAD'],
])('%s %s is a 405 that says %s', async (method, path, allow) => {
  const response = await fetch(`${bench.url}${path}`, { method, headers: { authorization: `Bearer ${apiKey}` } });
  expect([response.status, response.headers.get('allow'), (await response.json()).code]).toEqual([
    405,
    allow,
    'method_not_allowed',
  ]);
});

test.each(['/v1', '/v1/video', `/v1/videos/${id}/x`, '/healthz', '/metrics', '/problems/x', '/problems/constructor'])(
  '%s is a 404',
  async (path) => {
    const response = await bench.get(path, { authorization: `Bearer ${apiKey}` });
    expect([response.status, (await response.json()).code]).toEqual([404, 'not_found']);
  },
);

test('the type of every problem leads to its meaning', async () => {
  for (const [code, kind] of Object.entries(problemKinds)) {
    expect(await (await bench.get(`/problems/${code}`)).json()).toMatchObject({ code, ...kind });
  }
});

test('an error of ours tells nothing', async () => {
  const broken = await openApiBench({
    plan: () => {
      throw new Error('secret of the house');
    },
  });
  try {
    const response = await broken.post({ prompt: 'a' });
    const text = await response.text();
    expect([response.status, JSON.parse(text).code]).toEqual([500, 'internal_error']);
    expect(text).not.toContain('secret');
    expect(text).not.toContain('.ts');
  } finally {
    await broken.close();
  }
});

test('health, readiness and metrics', async () => {
  let temporal = true;
  let closing = false;
  const pool = createPool({ url: bench.database.url, connectionsMax: 1, name: 'ops', onError: () => undefined });
  const handler = createOpsApp({
    pool,
    temporalReady: async () => temporal,
    registry: bench.registry,
    isClosing: () => closing,
  });
  const server = await listen(handler, { host: '127.0.0.1', port: 0 });
  const read = async (path: string) => {
    const response = await fetch(`${server.url}${path}`);
    return [response.status, await response.json()];
  };
  try {
    expect(await read('/healthz')).toEqual([200, { status: 'ok' }]);
    expect(await read('/readyz')).toEqual([200, { status: 'ready', database: true, temporal: true }]);
    temporal = false;
    expect(await read('/readyz')).toEqual([200, { status: 'ready', database: true, temporal: false }]);
    closing = true;
    expect(await read('/readyz')).toMatchObject([503, { status: 'closing' }]);
    closing = false;
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain(
      'spillway_api_problems_total{code="unauthorized"}',
    );
    await pool.end();
    expect(await read('/readyz')).toMatchObject([503, { status: 'unready', database: false }]);
    expect((await read('/healthz'))[0]).toBe(200);
  } finally {
    await server.close(100);
  }
});

test('the server has the timeouts of a public edge', () => {
  const server = createServer(() => undefined);
  expect(server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 72_000 });
});

test('a port that is taken is an error, not a crash', async () => {
  const port = Number(new URL(bench.url).port);
  await expect(listen(() => undefined, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('closing lets a request under way end, and does not wait for idle connections', async () => {
  const server = await listen((_request, response) => void sleep(300).then(() => response.end('done')), {
    host: '127.0.0.1',
    port: 0,
  });
  const idle = connect(server.port, '127.0.0.1');
  await new Promise((resolve) => idle.once('connect', resolve));
  const underWay = new Promise<string>((resolve, reject) => {
    httpRequest(server.url, { headers: { connection: 'keep-alive' } }, (response) => {
      response.setEncoding('utf8').on('data', resolve);
    })
      .on('error', reject)
      .end();
  });
  await sleep(50);
  const start = Date.now();
  await server.close(5_000);
  expect(await underWay).toBe('done');
  expect(Date.now() - start).toBeLessThan(2_000);
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  idle.destroy();
});

test('closing cuts what outlasts the grace', async () => {
  const server = await listen(() => undefined, { host: '127.0.0.1', port: 0 });
  const hanging = Promise.allSettled([fetch(server.url)]);
  await sleep(50);
  const start = Date.now();
  await server.close(200);
  expect(Date.now() - start).toBeLessThan(1_500);
  expect(await hanging).toMatchObject([{ status: 'rejected' }]);
});
