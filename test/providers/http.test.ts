import net from 'node:net';
import { text as readText } from 'node:stream/consumers';

import { describe, expect, onTestFinished, test } from 'vitest';

import { HostileUrlError } from '../../src/providers/hostile-url.ts';
import { createHttp, createVideoOpener, type Http, type HttpError } from '../../src/providers/http.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  flood,
  json,
  reset,
  serve,
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

describe('openRemoteVideo', () => {
  test('streams a range, without our key', async () => {
    const partial = { 'content-range': 'bytes 2-5/9', 'content-type': 'video/mp4', 'set-cookie': 'a=b' };
    const { origin, received } = await stubVendor(text(206, 'data', partial));
    const open = createVideoOpener({ ownOrigin: origin, allowLoopbackHttp: true });
    const video = await open({ url: `${origin}/v.mp4`, range: 'bytes=2-5' });
    expect(video).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 2-5/9' } });
    expect(video.headers).not.toHaveProperty('set-cookie');
    expect(await readText(video.body)).toBe('data');
    expect(received).toMatchObject([{ url: '/v.mp4', headers: { range: 'bytes=2-5' } }]);
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });

  test('a redirect is an answer', async () => {
    const inner = await stubVendor(json(200, {}));
    const { origin } = await stubVendor(text(302, '', { location: inner.origin }));
    const video = await createVideoOpener({ ownOrigin: origin, allowLoopbackHttp: true })({ url: `${origin}/v.mp4` });
    expect([video.status, await readText(video.body), inner.received.length]).toEqual([302, '', 0]);
  });

  test('a private address is refused before anything is dialled', async () => {
    let dialled = 0;
    const origin = await serve(() => (dialled += 1));
    const open = createVideoOpener({ ownOrigin: 'https://vendor.example', allowLoopbackHttp: true });
    await expect(open({ url: origin.replace('http:', 'https:') })).rejects.toThrow(HostileUrlError);
    expect(dialled).toBe(0);
  });

  test('nobody there, a stall, and the caller giving up', async () => {
    const dead = await deadOrigin();
    const openDead = createVideoOpener({ ownOrigin: dead, allowLoopbackHttp: true });
    await expect(openDead({ url: `${dead}/v.mp4` })).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const { origin } = await stubVendor(silence);
    const open = createVideoOpener({ ownOrigin: origin, allowLoopbackHttp: true });
    const signal = AbortSignal.timeout(50);
    await expect(open({ url: `${origin}/v.mp4`, signal })).rejects.toMatchObject({ name: 'HttpError' });
  });

  test.each(['bytes=-5', 'bytes=0-1,5-6', 'bytes=0-\r\nx: y'])('one plain range only: %j', async (range) => {
    const { origin } = await stubVendor(json(200, {}));
    const open = createVideoOpener({ ownOrigin: origin, allowLoopbackHttp: true });
    await expect(open({ url: `${origin}/v.mp4`, range })).rejects.toThrow('a range is');
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
