import { request as httpRequest } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiBench, openApiBench } from '../api-bench.ts';

const apiKey = 'k'.repeat(40);
let keyless: ApiBench;
let keyed: ApiBench;
beforeAll(async () => {
  [keyless, keyed] = await Promise.all([openApiBench(), openApiBench({ apiKey })]);
});
afterAll(() => Promise.all([keyless.close(), keyed.close()]));

const id = `video_${uuidv7()}`;

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** Sends every header as it stands: `fetch` has its own mind about `Host`. */
function send({ url }: ApiBench, { method = 'GET', path, headers, body }: Sent): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}${path}`, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve([response.statusCode ?? 0, text]));
    });
    request.on('error', reject).end(body);
  });
}

test.each([
  { host: '127.0.0.1' },
  { host: 'localhost:8080' },
  { host: 'LOCALHOST:8080' },
  { host: '[::1]:8080' },
  { origin: 'http://localhost:3000' },
  { origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'none' },
])('without a key this machine may call: %j', async (headers: Record<string, string>) => {
  expect((await send(keyless, { path: `/v1/videos/${id}`, headers }))[0]).toBe(404);
});

const strangers: readonly Record<string, string>[] = [
  { host: 'evil.example' },
  { host: 'evil.example:8080' },
  { host: 'localhost.evil.example' },
  { host: '127.0.0.1.evil.example:8080' },
  { host: 'localhost:8080@evil.example' },
  { host: '10.0.0.5:8080' },
  { origin: 'https://evil.example' },
  { origin: 'http://localhost.evil.example' },
  { origin: 'https://evil.example/http://localhost' },
  { origin: 'null' },
  { 'sec-fetch-site': 'cross-site' },
];

test.each(strangers)('without a key nobody else may: %j', async (headers) => {
  const [status, text] = await send(keyless, { path: `/v1/videos/${id}`, headers });
  expect([status, JSON.parse(text)]).toMatchObject([
    403,
    { code: 'forbidden', detail: expect.stringContaining('Set SPILLWAY_API_KEY') },
  ]);
});

test.each(strangers)('no page buys a video with a form: %j', async (headers) => {
  const body = '--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na fox\r\n--x--\r\n';
  const type = { 'content-type': 'multipart/form-data; boundary=x' };
  const posted = { method: 'POST', path: '/v1/videos', headers: { ...type, ...headers }, body };
  expect((await send(keyless, posted))[0]).toBe(403);
  expect(await keyless.count('jobs')).toBe(0);
});

test.each(strangers)('with a key the key decides: %j', async (headers) => {
  const authorization = `Bearer ${apiKey}`;
  expect((await send(keyed, { path: `/v1/videos/${id}`, headers: { ...headers, authorization } }))[0]).toBe(404);
});

test('providers call back from anywhere', async () => {
  const headers = { host: 'api.example' };
  const [status, text] = await send(keyless, { method: 'POST', path: `/v1/callbacks/acme/${id}.1/token`, headers });
  expect([status, JSON.parse(text).code]).toEqual([404, 'unknown_attempt']);
});
