import { HeadObjectCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3ObjectStore, type S3Settings } from '../../src/storage/s3-object-store.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { exerciseObjectStore } from './object-store.ts';
import { type SignatureGate, startSignatureGate } from './signature-gate.ts';

/** A service that somebody named checks signatures itself, and a door in front of it would have the wrong address. */
const isNamed = Boolean(process.env['S3_TEST_ENDPOINT']);
let server: S3Server;
let gate: SignatureGate;
let aheadMs = 0;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());
beforeEach(async () => {
  aheadMs = 0;
  const { endpoint, credentials } = server;
  gate = await startSignatureGate({ endpoint, aheadMs: () => aheadMs, ...credentials });
});
afterEach(() => gate.stop());

const key = 'assets/default/video_1/1.mp4';
const bytes = Buffer.from('0123456789');
let prefixes = 0;

/** Every test has a place of its own in the bucket. */
function settings(overrides: Partial<S3Settings> = {}): S3Settings {
  return {
    bucket: server.bucket,
    region: 'us-east-1',
    endpoint: isNamed ? server.endpoint : `http://127.0.0.1:${gate.port}`,
    publicEndpoint: isNamed ? server.endpoint : `http://localhost:${gate.port}`,
    prefix: `of test ${(prefixes += 1)}/`,
    pathStyle: true,
    credentials: server.credentials,
    ...overrides,
  };
}

async function unfinishedUploads(): Promise<string[]> {
  const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
  return Uploads.map((upload) => String(upload.Key));
}

describe('S3', () => {
  exerciseObjectStore(async () => ({
    store: createS3ObjectStore(settings()),
    // What the gate turned away would be as bad.
    debris: async () => [...(await unfinishedUploads()), ...gate.refused],
    stop: async () => undefined,
  }));
});

describe('in the bucket', () => {
  test('an object lies under the prefix, with its media type, also after a copy', async () => {
    const { prefix } = settings();
    const store = createS3ObjectStore(settings({ prefix }));
    await store.write(key, { body: bytes });
    await store.copy(key, 'inputs/default/1.png');
    const typeOf = async (name: string) =>
      (await server.client.send(new HeadObjectCommand({ Bucket: server.bucket, Key: prefix + name }))).ContentType;
    expect([await typeOf(key), await typeOf('inputs/default/1.png')]).toEqual(['video/mp4', 'image/png']);
  });

  test.skipIf(isNamed)('what is damaged on its way is refused by whoever checks signatures, and not kept', async () => {
    const store = createS3ObjectStore(settings());
    gate.damage();
    await expect(store.write(key, { body: bytes })).rejects.toMatchObject({ name: 'XAmzContentSHA256Mismatch' });
    await expect(store.write(key, { body: Buffer.alloc(9_000_000) })).rejects.toMatchObject({
      name: 'XAmzContentSHA256Mismatch',
    });
    expect(await store.describe(key)).toBeUndefined();
    expect(await unfinishedUploads()).toEqual([]);
  });

  test('a bucket that is not there is an error and no missing object', async () => {
    const store = createS3ObjectStore(settings({ bucket: 'nobody-made-this-one' }));
    await expect(store.open(key)).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(store.write(key, { body: bytes })).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(store.copy(key, key)).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });

  test('a wrong key is an error and no missing object', async () => {
    const store = createS3ObjectStore(settings({ credentials: { ...server.credentials, secretAccessKey: 'wrong' } }));
    await expect(store.open(key)).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    await expect(store.describe(key)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
  });
});

describe('a link', () => {
  let store: ObjectStore;
  beforeEach(() => {
    store = createS3ObjectStore(settings());
  });
  const download = async () => await linksOf(store).download(key, { secondsValid: 60, filename: 'video_1.mp4' });
  const upload = async () => await linksOf(store).upload('uploads/default/1.png', { secondsValid: 60, bytes: 10 });

  test.skipIf(isNamed)(
    'is signed for the address that clients reach, while our own traffic goes to the other',
    async () => {
      const { prefix } = settings();
      await createS3ObjectStore(settings({ prefix })).write(key, { body: bytes });
      const elsewhere = createS3ObjectStore(settings({ prefix, endpoint: 'http://127.0.0.1:9' }));
      const link = await linksOf(elsewhere).download(key, { secondsValid: 60, filename: 'a.mp4' });
      expect(new URL(link).host).toBe(`localhost:${gate.port}`);
      expect((await fetch(link)).status).toBe(200);
      expect((await fetch(link.replace('localhost', '127.0.0.1'))).status).toBe(403);
      await expect(elsewhere.describe(key)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    },
  );

  test('downloads the object as a file of that name and type, also a range of it', async () => {
    await store.write(key, { body: bytes });
    const answer = await fetch(await download());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="video_1.mp4"');
    expect(answer.headers.get('content-type')).toBe('video/mp4');
    expect(await answer.text()).toBe('0123456789');
    const part = await fetch(await download(), { headers: { range: 'bytes=2-4' } });
    expect([part.status, await part.text()]).toEqual([206, '234']);
  });

  test.each(['', '.mp4', 'a"b.mp4', 'a\r\nset-cookie: x', 'a/b.mp4', 'ä.mp4', 'x'.repeat(129)])(
    'takes no file name that would break out of the header: %j',
    async (filename) => {
      await expect(linksOf(store).download(key, { secondsValid: 60, filename })).rejects.toThrow('assertion failed');
    },
  );

  test('uploads exactly what was promised', async () => {
    const { url, headers } = await upload();
    const answer = await fetch(url, { method: 'PUT', headers, body: bytes });
    expect(answer.status).toBe(200);
    expect(await store.describe('uploads/default/1.png')).toEqual({ bytes: 10 });
  });

  test.each<[string, RequestInit]>([
    ['more bytes', { body: Buffer.from('too many bytes') }],
    ['fewer bytes', { body: Buffer.from('few') }],
    ['another type', { headers: { 'content-type': 'text/html' } }],
    ['another method', { method: 'POST' }],
  ])('uploads nothing else: %s', async (_what, change) => {
    const { url, headers } = await upload();
    const answer = await fetch(url, { method: 'PUT', headers, body: bytes, ...change });
    expect(answer.status).toBe(403);
    expect(await store.describe('uploads/default/1.png')).toBeUndefined();
  });

  test.each([
    ['another key', (url: string) => url.replace('1.png', '2.png')],
    ['a longer life', (url: string) => url.replace('Expires=60', 'Expires=6000')],
  ])('is good for nothing else: %s', async (_what, change) => {
    const { url, headers } = await upload();
    expect(change(url)).not.toBe(url);
    const answer = await fetch(change(url), { method: 'PUT', headers, body: bytes });
    expect(answer.status).toBe(403);
  });

  test.skipIf(isNamed)('ends when it said', async () => {
    await store.write(key, { body: bytes });
    const [get, put] = [await download(), await upload()];
    aheadMs = 61_000;
    expect((await fetch(get)).status).toBe(403);
    expect((await fetch(put.url, { method: 'PUT', headers: put.headers, body: bytes })).status).toBe(403);
    expect(gate.refused).toEqual(['Expired', 'Expired']);
  });

  test('does not carry our secret', async () => {
    expect(`${await download()}${(await upload()).url}`).not.toContain(server.credentials.secretAccessKey);
  });
});

function linksOf(store: ObjectStore) {
  if (!store.links) throw new Error('S3 has links');
  return store.links;
}
