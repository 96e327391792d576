import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiBench, openApiBench } from './api-bench.ts';

const apiKey = 'k'.repeat(40);
const authorization = `Bearer ${apiKey}`;
const origin = 'https://app.example.com';
const path = `/v1/videos/video_${uuidv7()}`;
let bench: ApiBench;
let closed: ApiBench;
beforeAll(async () => {
  bench = await openApiBench({ apiKey, corsOrigins: [origin, 'http://localhost:3000'] });
  closed = await openApiBench({ apiKey });
});
afterAll(() => Promise.all([bench.close(), closed.close()]));

const ask = (url: string, headers: Record<string, string>) => fetch(url, { method: 'OPTIONS', headers });

const wordsOf = (response: Response, name: string) => (response.headers.get(name) ?? '').split(', ');

test.each([
  ['GET', path],
  ['POST', '/v1/videos'],
  ['DELETE', path],
  ['GET', `${path}/events`],
])('a page of a listed origin may %s %s', async (method, asked) => {
  const headers = ['authorization', 'content-type', 'idempotency-key', 'last-event-id', 'prefer', 'if-none-match'];
  const response = await ask(`${bench.url}${asked}`, {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': headers.join(','),
  });
  expect([response.status, await response.text()]).toEqual([204, '']);
  expect(response.headers.get('access-control-allow-origin')).toBe(origin);
  expect(wordsOf(response, 'access-control-allow-methods')).toContain(method);
  expect(wordsOf(response, 'access-control-allow-headers')).toEqual(expect.arrayContaining(headers));
  expect(response.headers.get('vary')).toMatch(/\borigin\b/i);
  expect(response.headers.get('access-control-allow-credentials')).toBeNull();
});

test('what it was answered it may read, refusals too', async () => {
  const refused = await bench.get(path, { origin });
  const missing = await bench.get(path, { origin, authorization });
  expect([refused.status, missing.status]).toEqual([401, 404]);
  for (const response of [refused, missing]) {
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(wordsOf(response, 'access-control-expose-headers')).toEqual(
      expect.arrayContaining(['location', 'retry-after', 'x-request-id', 'etag', 'ratelimit', 'idempotency-replayed']),
    );
  }
});

test.each([
  'https://evil.example',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://app.example.com.evil.example',
  'https://APP.example.com',
  'null',
])('a page of another one is told nothing: %s', async (stranger) => {
  const preflight = await ask(`${bench.url}${path}`, { origin: stranger, 'access-control-request-method': 'GET' });
  const answer = await bench.get(path, { origin: stranger, authorization });
  expect([preflight.status, answer.status]).toEqual([401, 404]);
  for (const response of [preflight, answer]) {
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    // A cache must not give this answer to a page that may read it, or the other way round.
    expect(response.headers.get('vary')).toMatch(/\borigin\b/i);
  }
});

test('an answer without an origin says that there are others', async () => {
  expect((await bench.get(path, { authorization })).headers.get('vary')).toMatch(/\borigin\b/i);
});

test('where no origin is listed no page may call', async () => {
  const preflight = await ask(`${closed.url}${path}`, { origin, 'access-control-request-method': 'GET' });
  const answer = await closed.get(path, { origin, authorization });
  expect([preflight.status, answer.status]).toEqual([401, 404]);
  expect(answer.headers.get('access-control-allow-origin')).toBeNull();
});

test('an upload’s own URL goes on to be for every origin, without a key', async () => {
  const url = `${bench.url}/v1/uploads/upload_${uuidv7()}`;
  const response = await ask(url, { origin: 'https://any.example', 'access-control-request-method': 'PUT' });
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
  expect(response.headers.get('access-control-allow-headers')).toBe('content-type');
});

test('nothing else answers pages', async () => {
  for (const other of ['/problems/not_found', `/v1/callbacks/acme/video_${uuidv7()}.1/token`]) {
    const response = await fetch(`${bench.url}${other}`, { headers: { origin } });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  }
});
