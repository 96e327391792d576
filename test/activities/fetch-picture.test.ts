import type { RequestListener } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { fetchPicture } from '../../src/activities/fetch-picture.ts';
import { listen, type RunningServer } from '../../src/api/server.ts';
import { callerUrlPolicy } from '../../src/providers/hostile-url.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import { flatPng } from '../support/pictures.ts';

let server: RunningServer;
let host: string;
let answer: RequestListener;
let requests: number;
beforeAll(async () => {
  const handler: RequestListener = (request, response) => {
    requests += 1;
    answer(request, response);
  };
  server = await listen(handler, { host: '127.0.0.1', port: 0 });
  host = `127.0.0.1:${server.port}`;
});
afterAll(() => server.close(0));
beforeEach(() => {
  requests = 0;
  answer = (_request, response) => response.end(png);
});
afterEach(() => vi.restoreAllMocks());

const png = flatPng(64);

/** The door as callers' URLs have it, which lets this one host of ours through. */
const open: Parameters<typeof fetchPicture>[0] = (file) =>
  createRemoteFiles({ policy: { ...callerUrlPolicy, own: { host, plainHttpAllowed: true } } }).open(file);
const fetchIt = (path = '/a.png') => fetchPicture(open, `http://${host}${path}`);
const failed = (vendorCode: string) => ({ failure: { code: 'media_fetch', retry: 'never', vendorCode } });

test('a picture is read, whatever its server calls it', async () => {
  answer = (request, response) => {
    expect([request.method, request.url, request.headers.authorization]).toEqual(['GET', '/a.png?x=1', undefined]);
    response.setHeader('content-type', 'text/plain').end(png);
  };
  expect(await fetchIt('/a.png?x=1')).toEqual({ bytes: png });
});

test.each<[string, RequestListener, string]>([
  ['is not there', (_, response) => response.writeHead(404).end(png), 'http_404'],
  ['is for others', (_, response) => response.writeHead(403).end(png), 'http_403'],
  ['is broken', (_, response) => response.writeHead(500).end(), 'http_500'],
  ['has moved', (_, response) => response.writeHead(302, { location: `http://${host}/b.png` }).end(), 'http_302'],
  ['is a part', (_, response) => response.writeHead(206).end(png), 'http_206'],
  ['is empty', (_, response) => response.end(), 'not_a_picture'],
  ['is a page', (_, response) => response.setHeader('content-type', 'image/png').end('<html>'), 'not_a_picture'],
  ['is a GIF', (_, response) => response.end('GIF89a'), 'not_a_picture'],
  ['is too large', (_, response) => response.end(Buffer.alloc(10 * 1024 * 1024 + 1, png)), 'too_large'],
  [
    'breaks off',
    (_, response) => response.setHeader('content-length', 99_999).write(png, () => response.destroy()),
    'unreachable',
  ],
  ['hangs up', (request) => void request.socket.destroy(), 'unreachable'],
])('a picture that %s is the fault of its URL, and no further try helps', async (_what, listener, vendorCode) => {
  answer = listener;
  expect(await fetchIt()).toEqual(failed(vendorCode));
  expect(requests).toBe(1);
});

test('one without an end is cut off at the limit', async () => {
  let sent = 0;
  let closed = false;
  answer = (_request, response) => {
    const chunk = Buffer.alloc(64 * 1024, png);
    const more = (): void => {
      while (!closed && response.write(chunk)) sent += chunk.length;
    };
    response.on('drain', more).on('close', () => (closed = true));
    more();
  };
  expect(await fetchIt()).toEqual(failed('too_large'));
  await expect.poll(() => closed).toBe(true);
  expect(sent).toBeLessThan(20 * 1024 * 1024);
});

test.each<[string, RequestListener]>([
  ['says nothing', () => undefined],
  ['says nothing after its head', (_, response) => response.flushHeaders()],
  ['drips', (_, response) => void response.write(png.subarray(0, 20))],
])('a server that %s has a quarter of a minute for all of it', async (_what, listener) => {
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  const begun = new Promise<void>((resolve) => {
    answer = (request, response) => {
      listener(request, response);
      resolve();
    };
  });
  const fetched = fetchIt();
  await begun;
  expect(timeout).toHaveBeenCalledExactlyOnceWith(15_000);
  late.abort(new DOMException('late', 'TimeoutError'));
  expect(await fetched).toEqual(failed('timeout'));
});

test.each([
  'http://127.0.0.1:1/a.png',
  'https://127.0.0.1/a.png',
  'https://[::1]/a.png',
  'https://169.254.169.254/latest/meta-data',
  'ftp://example.com/a.png',
])('%s is refused before anybody is called', async (url) => {
  expect(await fetchPicture(open, url)).toEqual(failed('hostile_url'));
  expect(requests).toBe(0);
});

test('a name that means an address of ours is refused when it is called', async () => {
  const lookup = async () => [{ address: '127.0.0.1', family: 4 as const }];
  const files = createRemoteFiles({ policy: callerUrlPolicy, lookup });
  expect(await fetchPicture((file) => files.open(file), 'https://rebinding.example/a.png')).toEqual(
    failed('hostile_url'),
  );
});
