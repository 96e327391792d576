import { text as readText } from 'node:stream/consumers';

import { expect, test } from 'vitest';

import { HostileUrlError } from '../../src/providers/hostile-url.ts';
import { createVideoOpener } from '../../src/providers/video.ts';
import { deadOrigin, json, serve, silence, stubVendor, text } from './stub-vendor.ts';

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
