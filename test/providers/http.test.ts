import net from 'node:net';

import { describe, expect, onTestFinished, test } from 'vitest';

import { createHttp, type Http, type HttpError } from '../../src/providers/http.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  flood,
  json,
  reset,
  silence,
  stubVendor,
  text,
  type Reply,
} from './stub-vendor.ts';

const timeouts = { connectMs: 1_000, totalMs: 5_000 };

describe('request', () => {
  test('sends method, query, body and key, and returns the answer', async () => {
    const { origin, received } = await stubVendor(json(201, { done: true }, { 'X-Note': 'yes' }));
    const body = { contentType: 'application/json', bytes: Buffer.from('{"a":1}') };
    const query = { webhook: 'https://us.example/v1/callbacks/x?token=a&b=c' };
    const response = await httpTo(origin).request({ method: 'POST', path: '/v3/make', query, body });
    expect(response).toMatchObject({ status: 201, text: '{"done":true}', headers: { 'x-note': 'yes' } });
    expect(received).toMatchObject([{ method: 'POST', body: '{"a":1}', headers: { authorization: 'Bearer key' } }]);
    expect(received[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'spillway' });
    expect(received[0]?.url).toBe(`/v3/make?webhook=${encodeURIComponent(query.webhook)}`);
  });

  test('a redirect is an answer, and nobody follows it with our key', async () => {
    const elsewhere = await stubVendor(json(200, {}));
    const { origin, received } = await stubVendor(text(308, '', { location: `${elsewhere.origin}/v3/make` }));
    const response = await httpTo(origin).request({ method: 'POST', path: '/v3/make' });
    expect(response.status).toBe(308);
    expect([received.length, elsewhere.received.length]).toEqual([1, 0]);
  });

  test.each(['//evil.example/x', 'https://evil.example/x', '/a/../b', '/a?b=c', 'relative'])(
    'a path cannot leave its place: %s',
    async (path) => {
      const { origin, received } = await stubVendor(json(200, {}));
      await expect(httpTo(origin).request({ method: 'GET', path })).rejects.toThrow(
        /the path leaves its place|Invalid URL/,
      );
      expect(received).toHaveLength(0);
    },
  );

  test.each(['https://user:pass@vendor.example', 'https://vendor.example/api', 'ftp://vendor.example', 'vendor'])(
    'an origin is scheme, host and port: %s',
    (origin) => {
      expect(() => httpTo(origin)).toThrow(/an origin is|Invalid URL/);
    },
  );
});

describe('no answer', () => {
  const brokenWays: readonly [name: string, reply: Reply, detail: Partial<HttpError>][] = [
    ['reset after the request', reset, { reason: 'broken', code: 'ECONNRESET' }],
    ['cut short', cutShort, { reason: 'broken' }],
    ['silence', silence, { reason: 'timeout' }],
    ['a dripping body', drip, { reason: 'timeout' }],
    ['a hundred megabytes', flood, { reason: 'too_large' }],
  ];
  test.each(brokenWays)('%s: may have been sent, and was sent once', async (_name, reply, detail) => {
    const { origin, received } = await stubVendor(reply);
    const timeoutMs = detail.reason === 'timeout' ? 100 : 5_000;
    const error = await failureOf(httpTo(origin), timeoutMs);
    expect(error).toMatchObject({ name: 'HttpError', sent: true, ...detail });
    expect(received).toHaveLength(1);
  });

  test('a header of no end', async () => {
    const { origin } = await stubVendor(text(200, '', { endless: 'x'.repeat(40_000) }));
    expect(await failureOf(httpTo(origin))).toMatchObject({ sent: true, reason: 'broken' });
  });

  test('refused: proof that nothing was sent', async () => {
    const error = await failureOf(httpTo(await deadOrigin()));
    expect(error).toMatchObject({ sent: false, reason: 'connect', code: 'ECONNREFUSED' });
  });

  test('an unknown name: proof that nothing was sent', async () => {
    const error = await failureOf(httpTo('http://nobody.invalid'));
    expect(error).toMatchObject({ sent: false, reason: 'connect' });
  });

  test('a peer that speaks no TLS: proof that nothing was sent', async () => {
    const { origin, received } = await stubVendor(json(200, {}));
    const error = await failureOf(httpTo(origin.replace('http:', 'https:')));
    expect(error).toMatchObject({ sent: false, reason: 'connect' });
    expect(received).toHaveLength(0);
  });

  test('a handshake that outlasts the deadline: proof that nothing was sent', async () => {
    const origin = await mutePeer();
    const error = await failureOf(httpTo(origin.replace('http:', 'https:')), 50);
    expect(error).toMatchObject({ sent: false, reason: 'timeout' });
  });

  test('an idle connection that the vendor closed is not written to', async () => {
    const { origin, received } = await stubVendor(text(200, 'bye', { connection: 'close' }), text(200, 'again'));
    const http = httpTo(origin);
    await http.request({ method: 'GET', path: '/' });
    await expect(http.request({ method: 'POST', path: '/' })).resolves.toMatchObject({ text: 'again' });
    expect(received).toHaveLength(2);
  });

  test('tells nothing of the request', async () => {
    const error = await failureOf(httpTo(await deadOrigin()));
    expect(error.message).toBe('no answer: ECONNREFUSED (not sent)');
  });
});

function httpTo(origin: string): Http {
  return createHttp({ origin, headers: () => ({ authorization: 'Bearer key' }), timeouts });
}

async function failureOf(http: Http, timeoutMs = 5_000): Promise<HttpError> {
  const body = { contentType: 'application/json', bytes: Buffer.from('{}') };
  return http.request({ method: 'POST', path: '/v3/make', body, timeoutMs }).then(
    () => expect.unreachable('there was an answer'),
    (error: HttpError) => error,
  );
}

/** Accepts connections and never says a word. */
async function mutePeer(): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the peer has no port');
  return `http://127.0.0.1:${address.port}`;
}
