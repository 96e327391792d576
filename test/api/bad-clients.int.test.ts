import { connect, type Socket } from 'node:net';
import type { Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServer } from '../../src/api/server.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';
import { openProxy } from './cuttable-proxy.ts';

/** `reliability.md` §8.2, 8.5 and 8.6: clients that are slow, many, or cut off. */
let bench: ApiBench;
/** The same server in front of the same API, with less patience, so that a test need not wait for a minute. */
let server: Server;
let port: number;
beforeAll(async () => {
  bench = await openApiBench();
  server = createServer((request, response) => {
    const url = `${bench.url}${request.url}`;
    const chunks: Buffer[] = [];
    request
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => {
        const init = { method: request.method ?? 'GET', headers: { 'content-type': 'application/json' } };
        const body = request.method === 'GET' ? {} : { body: Buffer.concat(chunks) };
        const pass = async (): Promise<void> => {
          const answer = await fetch(url, { ...init, ...body });
          response.writeHead(answer.status).end(await answer.text());
        };
        void pass();
      });
  });
  server.headersTimeout = 1_000;
  server.requestTimeout = 2_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await bench.close();
});

/** Everything that comes until the other side closes. */
async function untilClosed(socket: Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString())).on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

test.each([
  ['half a head', 'POST /v1/videos HTTP/1.1\r\nhost: x\r\n'],
  [
    'half a body',
    'POST /v1/videos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"prom',
  ],
])('hundreds that send %s and no more are sent away with a 408, and disturb nobody', async (_name, beginning) => {
  const slow = Array.from({ length: 300 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(beginning);
    return untilClosed(socket);
  });
  const before = await bench.count('jobs');
  const others = await Promise.all(
    Array.from({ length: 20 }, () =>
      fetch(`http://127.0.0.1:${port}/v1/videos`, { method: 'POST', body: JSON.stringify({ prompt: 'meanwhile' }) }),
    ),
  );
  expect(others.map(({ status }) => status)).toEqual(others.map(() => 202));
  for (const answer of await Promise.all(slow)) {
    expect(answer).toContain('HTTP/1.1 408 ');
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain('"code":"request_timed_out"');
  }
  expect(await bench.count('jobs')).toBe(before + 20);
});

test('a thousand that connect at the same moment are all answered', async () => {
  const sockets = Array.from({ length: 1_000 }, () => {
    const socket = connect(Number(new URL(bench.url).port), '127.0.0.1');
    socket.write('GET /problems/not_found HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    return untilClosed(socket);
  });
  const answers = await Promise.all(sockets);
  expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 200 '))).toHaveLength(1_000);
});

test('an answer that is lost after the commit is had by the same key, and by no second job', async () => {
  const proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(bench.url).port) });
  try {
    const before = await bench.count('jobs');
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'lost-answer' },
      body: JSON.stringify({ prompt: 'lost' }),
    };
    proxy.loseNextAnswer('lost-answer');
    await expect(fetch(`http://127.0.0.1:${proxy.port}/v1/videos`, init)).rejects.toThrow('fetch failed');
    expect(proxy.lostAnswers()).toBe(1);
    const again = await fetch(`http://127.0.0.1:${proxy.port}/v1/videos`, init);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(await bench.count('jobs')).toBe(before + 1);
  } finally {
    await proxy.close();
  }
});
