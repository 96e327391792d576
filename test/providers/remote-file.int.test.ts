import { buffer, text as readText } from 'node:stream/consumers';

import { describe, expect, test } from 'vitest';

import { callerUrlPolicy, vendorUrlPolicy } from '../../src/providers/hostile-url.ts';
import { createRemoteFiles, type RemoteFiles, type RemoteFilesSettings } from '../../src/providers/remote-file.ts';
import { dnsServer } from './dns-server.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  dripHead,
  flood,
  json,
  mutePeer,
  reset,
  serve,
  silence,
  stall,
  stubVendor,
  text,
} from './stub-vendor.ts';

const bytes = Buffer.from('a picture');

describe('open', () => {
  test('streams a file, without a key and without headers that nobody needs', async () => {
    const headers = { 'content-length': '4', 'content-type': 'video/mp4', 'set-cookie': 'a=b' };
    const { origin, received } = await stubVendor(text(200, 'data', headers));
    const video = await filesOf(origin).open({ url: `${origin}/v.mp4?sig=x` });
    expect(video.status).toBe(200);
    expect(video.headers).toEqual({ 'content-length': '4', 'content-type': 'video/mp4' });
    expect(await readText(video.body)).toBe('data');
    expect(received).toMatchObject([{ method: 'GET', url: '/v.mp4?sig=x' }]);
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });

  test('hands on every byte of a large file, to a reader of its own pace', async () => {
    const { origin } = await stubVendor(flood);
    const { body } = await filesOf(origin).open({ url: `${origin}/v.mp4` });
    let bytes = 0;
    for await (const chunk of body) bytes += Buffer.from(chunk).byteLength;
    expect(bytes).toBe(100 * 1_048_576);
  });
});

describe('put', () => {
  test('sends the bytes under the headers of the signature, and reads the answer', async () => {
    const { origin, received } = await stubVendor(text(200, 'kept'));
    const answer = await filesOf(origin).put({
      url: `${origin}/upload?sig=x`,
      headers: { 'content-type': 'image/png' },
      bytes,
    });
    expect(answer).toEqual({ status: 200, text: 'kept' });
    const headers = { 'content-type': 'image/png', 'content-length': String(bytes.byteLength) };
    expect(received).toMatchObject([{ method: 'PUT', url: '/upload?sig=x', body: 'a picture', headers }]);
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });

  test('an answer of no end is not read', async () => {
    const { origin } = await stubVendor(flood);
    await expect(putTo(origin)).rejects.toMatchObject({ name: 'HttpError', reason: 'too_large', sent: true });
  });

  test.each([
    ['silence', silence, 'uploadMs'],
    ['a dripping answer', drip, 'uploadMs'],
    ['a stall', stall, 'idleMs'],
  ] as const)('%s is not waited for', async (_name, reply, timeout) => {
    const { origin } = await stubVendor(reply);
    const files = filesOf(origin, { timeouts: { [timeout]: 60 } });
    await expect(putTo(origin, files)).rejects.toMatchObject({ name: 'HttpError', reason: 'timeout', sent: true });
  });
});

describe('what is hostile', () => {
  test('a private address is refused before anything is dialled', async () => {
    let dialled = 0;
    const origin = await serve(() => (dialled += 1));
    const files = createRemoteFiles({ policy: vendorUrlPolicy({ baseUrl: 'https://vendor.example' }) });
    const url = origin.replace('http:', 'https:');
    await expect(files.open({ url })).rejects.toMatchObject({ name: 'HostileUrlError', rule: 'address' });
    await expect(files.put({ url, headers: {}, bytes })).rejects.toMatchObject({ rule: 'address' });
    expect(dialled).toBe(0);
  });

  test('a name that means this machine is refused with its rule, whoever gave the URL', async () => {
    const { port, connections } = await mutePeer();
    const dns = await dnsServer(['3000::1', '127.0.0.1']);
    const vendor = vendorUrlPolicy({ baseUrl: 'https://vendor.example' });
    for (const policy of [{ ...callerUrlPolicy, defaultPortOnly: false }, vendor]) {
      const files = createRemoteFiles({ policy, lookup: dns.lookup });
      const url = `https://rebind.example:${port}/v.mp4`;
      await expect(files.open({ url })).rejects.toMatchObject({ name: 'HostileUrlError', rule: 'address' });
      await expect(files.put({ url, headers: {}, bytes })).rejects.toMatchObject({ rule: 'address' });
    }
    expect([dns.lookups(), connections()]).toEqual([4, 0]);
  });

  test('a name that turns private for the second file is refused', async () => {
    const { port, connections } = await mutePeer();
    const dns = await dnsServer(['3000::1'], ['127.0.0.1']);
    const files = createRemoteFiles({
      policy: vendorUrlPolicy({ baseUrl: 'https://vendor.example' }),
      lookup: dns.lookup,
      timeouts: { connectMs: 500 },
    });
    const url = `https://rebind.example:${port}/v.mp4`;
    await expect(files.open({ url })).rejects.toMatchObject({ name: 'HttpError', reason: 'connect', sent: false });
    await expect(files.open({ url })).rejects.toMatchObject({ name: 'HostileUrlError', rule: 'address' });
    expect([dns.lookups(), connections()]).toEqual([2, 0]);
  });

  test.each([301, 302, 303, 307, 308])('a redirect (%d) is an answer, wherever it points', async (status) => {
    const inner = await stubVendor(json(200, {}));
    for (const location of [`${inner.origin}/`, 'http://169.254.169.254/', 'https://elsewhere.example/', '/again']) {
      const { origin, received } = await stubVendor(text(status, '', { location }));
      const files = filesOf(origin);
      const opened = await files.open({ url: `${origin}/v.mp4` });
      expect([opened.status, await readText(opened.body)]).toEqual([status, '']);
      expect(opened.headers).not.toHaveProperty('location');
      expect((await putTo(origin, files)).status).toBe(status);
      expect([received.length, inner.received.length]).toEqual([2, 0]);
    }
  });
});

describe('no answer', () => {
  test('nobody there', async () => {
    const origin = await deadOrigin();
    const error = { name: 'HttpError', reason: 'connect', code: 'ECONNREFUSED', sent: false };
    await expect(filesOf(origin).open({ url: `${origin}/v.mp4` })).rejects.toMatchObject(error);
  });

  test('a handshake that never ends', async () => {
    const { port } = await mutePeer();
    const files = filesOf(`https://127.0.0.1:${port}`, { timeouts: { connectMs: 60 } });
    const error = { reason: 'connect', code: 'UND_ERR_CONNECT_TIMEOUT', sent: false };
    await expect(files.open({ url: `https://127.0.0.1:${port}/v.mp4` })).rejects.toMatchObject(error);
  });

  test.each([
    ['silence', silence, 'firstByteMs'],
    ['silence, in all', silence, 'downloadMs'],
    ['a head that drips', dripHead, 'firstByteMs'],
  ] as const)('%s', async (_name, reply, timeout) => {
    const { origin } = await stubVendor(reply);
    const files = filesOf(origin, { timeouts: { [timeout]: 60 } });
    const error = { name: 'HttpError', reason: 'timeout', sent: true };
    await expect(files.open({ url: `${origin}/v.mp4` })).rejects.toMatchObject(error);
  });

  test('a caller who gives up, before and meanwhile', async () => {
    const { origin, received } = await stubVendor(silence);
    const url = `${origin}/v.mp4`;
    const open = filesOf(origin).open({ url, signal: AbortSignal.timeout(50) });
    await expect(open).rejects.toMatchObject({ name: 'HttpError', reason: 'aborted' });
    const early = filesOf(origin).open({ url, signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ reason: 'aborted', sent: false });
    expect(received).toHaveLength(1);
  });
});

describe('an answer that breaks off', () => {
  test.each([
    { name: 'cut short', reply: cutShort, timeouts: {}, reason: 'broken' },
    { name: 'a stall', reply: stall, timeouts: { idleMs: 60 }, reason: 'timeout' },
    { name: 'a body that drips for ever', reply: drip, timeouts: { downloadMs: 60 }, reason: 'timeout' },
  ])('$name fails the stream', async ({ reply, timeouts, reason }) => {
    const { origin } = await stubVendor(reply);
    const { body } = await filesOf(origin, { timeouts }).open({ url: `${origin}/v.mp4` });
    await expect(buffer(body)).rejects.toMatchObject({ name: 'HttpError', reason, sent: true });
  });

  test('before anybody reads ends nothing but the stream, which keeps its error', async () => {
    const { origin } = await stubVendor(stall);
    const { body } = await filesOf(origin, { timeouts: { idleMs: 30 } }).open({ url: `${origin}/v.mp4` });
    // Nobody may listen for its error here, as `once` would.
    await new Promise((resolve) => body.on('close', resolve));
    await expect(buffer(body)).rejects.toMatchObject({ name: 'HttpError', reason: 'timeout' });
  });

  test('because its reader has enough hangs up', async () => {
    let tellHungUp = (): void => {};
    const hungUp = new Promise<void>((resolve) => (tellHungUp = resolve));
    const { origin } = await stubVendor((response, request) => {
      response.on('close', tellHungUp);
      drip(response, request);
    });
    const { body } = await filesOf(origin).open({ url: `${origin}/v.mp4` });
    body.destroy();
    await hungUp;
    expect(body.errored).toBeNull();
  });

  test('because the caller gave up hangs up as well', async () => {
    const { origin } = await stubVendor(drip);
    const stop = new AbortController();
    const { body } = await filesOf(origin).open({ url: `${origin}/v.mp4`, signal: stop.signal });
    stop.abort();
    await expect(buffer(body)).rejects.toMatchObject({ name: 'HttpError', reason: 'aborted' });
  });
});

test('a connection that its peer resets is an answer that never came', async () => {
  const { origin } = await stubVendor(reset);
  const error = { name: 'HttpError', reason: 'broken', code: 'ECONNRESET', sent: true };
  await expect(filesOf(origin).open({ url: `${origin}/v.mp4` })).rejects.toMatchObject(error);
});

function filesOf(baseUrl: string, settings: Partial<RemoteFilesSettings> = {}): RemoteFiles {
  return createRemoteFiles({ policy: vendorUrlPolicy({ baseUrl, plainHttpAllowed: true }), ...settings });
}

function putTo(origin: string, files = filesOf(origin)): ReturnType<RemoteFiles['put']> {
  return files.put({ url: `${origin}/upload`, headers: {}, bytes });
}
