import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ByteRange, ObjectStore } from '../../src/storage/object-store.ts';
import { until } from '../support/until.ts';

/** A store of one kind and a look behind it. One is made for each test. */
export interface StoreBench {
  readonly store: ObjectStore;
  /** What lies there beside whole objects: parts that nobody will finish. */
  debris(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const mebibyte = 1024 * 1024;

/** What every object store must do, wherever it keeps things. */
export function exerciseObjectStore(make: () => Promise<StoreBench>): void {
  let bench: StoreBench;
  let store: ObjectStore;
  beforeEach(async () => {
    bench = await make();
    store = bench.store;
  });
  afterEach(async () => {
    const debris = await bench.debris();
    await bench.stop();
    expect(debris, 'parts that were left behind').toEqual([]);
  });

  const key = 'assets/default/video_1/1.mp4';
  const bytes = Buffer.from('0123456789');
  const readAll = async (key: string, range?: ByteRange) => {
    const object = await store.open(key, range);
    return object && (await buffer(object.body));
  };

  describe('a write', () => {
    test.each([
      ['bytes', () => bytes],
      ['a stream', () => Readable.from([bytes])],
      ['a generator, piece by piece', () => oneByOne(bytes)],
    ])('keeps %s, and says how many bytes there are', async (_kind, body) => {
      await store.write(key, { body: body() });
      expect(await readAll(key)).toEqual(bytes);
      expect(await store.describe(key)).toEqual({ bytes: 10 });
    });

    test.each([0, 1, 8 * mebibyte - 1, 8 * mebibyte, 8 * mebibyte + 1, 16 * mebibyte])(
      'keeps exactly %i bytes, whichever the size of a part is',
      async (size) => {
        const body = randomBytes(size);
        await store.write(key, { body: inChunks(body, 1_000_003) });
        expect(await store.describe(key)).toEqual({ bytes: size });
        expect((await readAll(key))?.equals(body)).toBe(true);
      },
    );

    test('replaces what was there', async () => {
      await store.write(key, { body: bytes });
      await store.write(key, { body: Buffer.from('new') });
      expect(String(await readAll(key))).toBe('new');
    });

    test('of one key by many at once ends with one of them, whole', async () => {
      const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(300_000 + index, index));
      await Promise.all(bodies.map((body) => store.write(key, { body: inChunks(body, 10_000) })));
      const kept = await readAll(key);
      expect(bodies.some((body) => kept?.equals(body))).toBe(true);
    });
  });

  describe.each([
    ['small', 1],
    ['big enough for parts', 20],
  ])('a write that fails, %s', (_size, mebibytes) => {
    const failing = async function* (fail: () => Promise<unknown> | never) {
      for (let index = 0; index < mebibytes; index += 1) yield randomBytes(mebibyte);
      await fail();
    };
    const broken = () => {
      throw new Error('the vendor hung up');
    };

    test('leaves nothing behind, and fails with the error of the body', async () => {
      await expect(store.write(key, { body: failing(broken) })).rejects.toThrow('the vendor hung up');
      expect(await store.describe(key)).toBeUndefined();
    });

    test('leaves what was there before', async () => {
      await store.write(key, { body: bytes });
      await expect(store.write(key, { body: failing(broken) })).rejects.toThrow('the vendor hung up');
      expect(await readAll(key)).toEqual(bytes);
    });

    test('by an abort ends with its reason, though the body is silent for ever', async () => {
      const controller = new AbortController();
      const reason = new Error('the worker is shutting down');
      const silent = failing(() => {
        controller.abort(reason);
        return new Promise(() => undefined);
      });
      await store.write(key, { body: bytes });
      await expect(store.write(key, { body: silent, signal: controller.signal })).rejects.toBe(reason);
      expect(await readAll(key)).toEqual(bytes);
    });
  });

  test('a write that was aborted before it began reads nothing, and lets go of the stream', async () => {
    const body = Readable.from([bytes]);
    await expect(store.write(key, { body, signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow(
      'too late',
    );
    expect(body.destroyed).toBe(true);
    expect(await store.describe(key)).toBeUndefined();
  });

  test('a stream that breaks in the middle is the error of the write', async () => {
    const body = new Readable({ read: () => undefined });
    body.push(bytes);
    const write = store.write(key, { body });
    body.destroy(new Error('connection reset'));
    await expect(write).rejects.toThrow('connection reset');
    expect(await store.describe(key)).toBeUndefined();
  });

  test('a big object passes through in little memory', { timeout: 120_000 }, async () => {
    const size = 192;
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const watch = () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers - before));
    const sent = createHash('sha256');
    const body = async function* () {
      for (let index = 0; index < size; index += 1) {
        const chunk = Buffer.alloc(mebibyte, index);
        sent.update(chunk);
        watch();
        yield chunk;
      }
    };
    await store.write(key, { body: body() });
    const received = createHash('sha256');
    for await (const chunk of (await opened(store, key)).body) {
      received.update(chunk);
      watch();
    }
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(peak).toBeLessThan((size / 2) * mebibyte);
  });

  describe('a range', () => {
    test.each([
      ['the start', { start: 0, end: 3 }, '0123'],
      ['the middle', { start: 4, end: 6 }, '456'],
      ['one byte', { start: 9, end: 9 }, '9'],
      ['the end', { start: 7, end: 9 }, '789'],
      ['the end and beyond', { start: 7, end: 1_000 }, '789'],
      ['what begins beyond', { start: 10, end: 12 }, ''],
    ])('is %s, of the size of the whole', async (_what, range, expected) => {
      await store.write(key, { body: bytes });
      const object = await opened(store, key, range);
      expect(object.bytes).toBe(10);
      expect(String(await buffer(object.body))).toBe(expected);
    });

    test('of an empty object is empty', async () => {
      await store.write(key, { body: Buffer.alloc(0) });
      expect(await readAll(key, { start: 0, end: 9 })).toEqual(Buffer.alloc(0));
    });

    test.each([
      { start: 3, end: 2 },
      { start: -1, end: 2 },
      { start: 0, end: Number.NaN },
      { start: 0.5, end: 2 },
    ])('that is none is refused: %j', async (range) => {
      await store.write(key, { body: bytes });
      await expect(store.open(key, range)).rejects.toThrow('assertion failed');
    });
  });

  test('whoever reads goes on with the object that was there, though another replaces it', async () => {
    const old = randomBytes(4 * mebibyte);
    await store.write(key, { body: old });
    const { body } = await opened(store, key);
    await store.write(key, { body: randomBytes(4 * mebibyte) });
    expect((await buffer(body)).equals(old)).toBe(true);
  });

  test('readers that give up hold nothing', { timeout: 60_000 }, async () => {
    await store.write(key, { body: randomBytes(2 * mebibyte) });
    for (let index = 0; index < 150; index += 1) {
      const { body } = await opened(store, key);
      body.on('error', () => undefined).destroy();
    }
    expect((await readAll(key))?.length).toBe(2 * mebibyte);
  });

  describe('a copy', () => {
    const other = 'inputs/default/video_2.png';

    test('is an object of its own', async () => {
      await store.write(key, { body: bytes });
      expect(await store.copy(key, other)).toBe(true);
      await store.write(key, { body: Buffer.from('changed') });
      expect(await readAll(other)).toEqual(bytes);
      await store.remove(key);
      expect(await readAll(other)).toEqual(bytes);
    });

    test('replaces what was there', async () => {
      await store.write(key, { body: bytes });
      await store.write(other, { body: Buffer.from('old') });
      expect(await store.copy(key, other)).toBe(true);
      expect(await readAll(other)).toEqual(bytes);
    });

    test('of what is not there is none, and harms nothing', async () => {
      await store.write(other, { body: bytes });
      expect(await store.copy(key, other)).toBe(false);
      expect(await readAll(other)).toEqual(bytes);
    });
  });

  test('what is not there is undefined, and may be removed again', async () => {
    expect(await store.open(key)).toBeUndefined();
    expect(await store.open(key, { start: 0, end: 1 })).toBeUndefined();
    expect(await store.describe(key)).toBeUndefined();
    await store.remove(key);
    await store.write(key, { body: bytes });
    await store.remove(key);
    await store.remove(key);
    expect(await store.open(key)).toBeUndefined();
  });

  test.each(hostileKeys)('a key that is none of ours is refused everywhere: %j', async (hostile) => {
    const calls = [
      () => store.write(hostile, { body: bytes }),
      () => store.open(hostile),
      () => store.describe(hostile),
      () => store.copy(hostile, key),
      () => store.copy(key, hostile),
      () => store.remove(hostile),
      ...(store.links
        ? [
            () => store.links?.download(hostile, { secondsValid: 60, filename: 'a.mp4' }),
            () => store.links?.upload(hostile, { secondsValid: 60, bytes: 1 }),
          ]
        : []),
    ];
    for (const call of calls) await expect((async () => await call())()).rejects.toThrow('assertion failed');
  });

  test('after a failure the store is as good as before', async () => {
    await expect(store.write(key, { body: oneByOne(bytes, new Error('no')) })).rejects.toThrow('no');
    await store.write(key, { body: bytes });
    await until('it is there', async () => (await readAll(key))?.equals(bytes));
  });
}

export const hostileKeys = [
  '',
  '.',
  '..',
  'outside.mp4\0.png',
  '../outside.mp4',
  'assets/../../outside.mp4',
  'assets/./1.mp4',
  'assets//1.mp4',
  '/etc/passwd.mp4',
  '/1.mp4',
  'C:\\1.mp4',
  'assets\\1.mp4',
  '%2e%2e/1.mp4',
  '.incoming/1.mp4',
  'assets/.1.mp4',
  'assets/1',
  'assets/1.html',
  'assets/1.mp4/',
  'assets/1.mp4\n',
  'Assets/1.mp4',
  'assets/1.MP4',
  'a/b/c/d/e/1.mp4',
  `${'x'.repeat(129)}.mp4`,
  'ä.mp4',
  '-\u202E4pm.mp4',
];

/** An object that must be there. */
async function opened(store: ObjectStore, key: string, range?: ByteRange) {
  const object = await store.open(key, range);
  if (!object) throw new Error(`there is no ${key}`);
  return object;
}

async function* oneByOne(bytes: Uint8Array, error?: Error) {
  for (const byte of bytes) yield Uint8Array.of(byte);
  if (error) throw error;
}

async function* inChunks(bytes: Buffer, size: number) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
