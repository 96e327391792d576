import { describe, expect, test } from 'vitest';

import { createHttp, type Http, type HttpError, type HttpTimeouts } from '../../src/providers/http.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  dripHead,
  flood,
  json,
  mutePeer,
  reset,
  silence,
  stall,
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

  test('puts every path behind that of the base URL', async () => {
    const { origin, received } = await stubVendor(json(200, {}));
    for (const base of ['', '/', '/proxy/fal', '/proxy/fal/'])
      await httpTo(origin + base).request({ method: 'GET', path: '/v3/make', query: { a: '1' } });
    const urls = ['/v3/make?a=1', '/v3/make?a=1', '/proxy/fal/v3/make?a=1', '/proxy/fal/v3/make?a=1'];
    expect(received.map(({ url }) => url)).toEqual(urls);
  });

  test('adds the headers of one request to those of every request', async () => {
    const { origin, received } = await stubVendor(json(200, {}));
    const http = httpTo(origin);
    await http.request({ method: 'PUT', path: '/', headers: { 'cancel-after': '60s' } });
    await http.request({ method: 'GET', path: '/' });
    expect(received[0]?.headers).toMatchObject({ authorization: 'Bearer key', 'cancel-after': '60s' });
    expect(received[1]?.headers).not.toHaveProperty('cancel-after');
  });

  test.each([301, 302, 303, 307, 308])(
    'a redirect (%d) is an answer, and nobody follows it with our key',
    async (status) => {
      const elsewhere = await stubVendor(json(200, {}));
      for (const location of [`${elsewhere.origin}/v3/make`, 'http://169.254.169.254/', '/again']) {
        const { origin, received } = await stubVendor(text(status, '', { location }));
        const response = await httpTo(origin).request({ method: 'POST', path: '/v3/make' });
        expect(response.status).toBe(status);
        expect([received.length, elsewhere.received.length]).toEqual([1, 0]);
      }
    },
  );

  const strayPaths = ['//evil.example/x', 'https://evil.example/x', '/a/../b', '/../b', '/%2e%2e/b', '/a?b=c', '/a#b'];
  test.each([...strayPaths, '/\\evil.example', '/a\nb', '@evil.example', ':81/x', '.evil.example/x', 'relative', ''])(
    'a path cannot leave its place: %j',
    async (path) => {
      const { origin, received } = await stubVendor(json(200, {}));
      for (const base of ['', '/proxy'])
        await expect(httpTo(origin + base).request({ method: 'GET', path })).rejects.toThrow(
          /leaves its place|Invalid URL/,
        );
      expect(received).toHaveLength(0);
    },
  );

  test.each([
    'https://user:pass@vendor.example',
    'https://vendor.example/?a=b',
    'https://vendor.example/#a',
    'ftp://vendor.example',
    'vendor',
  ])('a base URL is scheme, host, port and path: %s', (baseUrl) => {
    expect(() => httpTo(baseUrl)).toThrow(/a base URL is|Invalid URL/);
  });
});

describe('no answer', () => {
  const brokenWays: readonly [name: string, reply: Reply, detail: Partial<HttpError>][] = [
    ['reset after the request', reset, { reason: 'broken', code: 'ECONNRESET' }],
    ['cut short', cutShort, { reason: 'broken' }],
    ['silence', silence, { reason: 'timeout' }],
    ['a dripping head', dripHead, { reason: 'timeout' }],
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

  test('a stall in the middle of an answer is not waited for as long as a vendor may think', async () => {
    const { origin } = await stubVendor(stall);
    const error = await failureOf(httpTo(origin, { ...timeouts, idleMs: 50 }));
    expect(error).toMatchObject({ reason: 'timeout', sent: true });
  });

  test('a vendor that thinks for longer than it may stall is waited for', async () => {
    const { origin } = await stubVendor((response) => void setTimeout(() => response.end('done'), 60));
    const http = httpTo(origin, { ...timeouts, idleMs: 20 });
    await expect(http.request({ method: 'POST', path: '/' })).resolves.toMatchObject({ text: 'done' });
  });

  test('an answer is read up to its bound, and no further', async () => {
    const { origin } = await stubVendor(text(200, 'x'.repeat(1_048_576)), text(200, 'x'.repeat(1_048_577)));
    const http = httpTo(origin);
    expect((await http.request({ method: 'GET', path: '/' })).text).toHaveLength(1_048_576);
    expect(await failureOf(http)).toMatchObject({ reason: 'too_large', sent: true });
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
    const { port } = await mutePeer();
    const error = await failureOf(httpTo(`https://127.0.0.1:${port}`), 50);
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

function httpTo(baseUrl: string, chosen: HttpTimeouts = timeouts): Http {
  return createHttp({ baseUrl, headers: () => ({ authorization: 'Bearer key' }), timeouts: chosen });
}

async function failureOf(http: Http, timeoutMs = 5_000): Promise<HttpError> {
  const body = { contentType: 'application/json', bytes: Buffer.from('{}') };
  return http.request({ method: 'POST', path: '/v3/make', body, timeoutMs }).then(
    () => expect.unreachable('there was an answer'),
    (error: HttpError) => error,
  );
}
