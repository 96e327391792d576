import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOpsApp } from '../../src/api/ops-app.ts';
import { listen } from '../../src/api/server.ts';
import { createPool } from '../../src/db/pool.ts';
import { limits } from '../../src/domain/limits/limits.ts';

const unexpected: unknown[] = [];
const pool = createPool({
  url: 'postgres://127.0.0.1:1/none',
  connectionsMax: 1,
  name: 'ops',
  onError: () => undefined,
});
let server: Awaited<ReturnType<typeof listen>>;
beforeAll(async () => {
  const registry = new Registry();
  const broken = async () => {
    throw new Error('a secret of ours');
  };
  const codec = { codec: { encode: async () => [], decode: async () => [] }, key: 'key' };
  const furtherMetrics = broken;
  const onError = (error: unknown): void => void unexpected.push(error);
  const handler = createOpsApp({ pool, temporalReady: async () => true, registry, furtherMetrics, codec, onError });
  server = await listen(handler, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close(100);
  await pool.end();
});

const post = async (path: string, body: string) => {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer key' };
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
};

test.each([
  { what: 'no JSON', path: '/codec/encode', body: '{"prompt": my-secret-prompt', status: 400 },
  { what: 'too much of it', path: '/codec/encode', body: ' '.repeat(limits.codecBodyBytesMax + 1), status: 413 },
  { what: 'sent to a path that is none', path: '/codec/%E0%A4%A/decode', body: '{}', status: 400 },
])('a body that is $what is refused in one sentence that quotes nothing', async ({ path, body, status }) => {
  const answer = await post(path, body);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.text)).toEqual({ message: expect.stringMatching(/^The .+\.$/) });
  expect(answer.text).not.toMatch(/secret|SyntaxError|node_modules/);
  expect(unexpected).toEqual([]);
});

test('what nobody expected is told to us, and not to whoever asked', async () => {
  const response = await fetch(`${server.url}/metrics`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toMatch(/secret|\.ts/);
  expect(unexpected).toHaveLength(1);
});
