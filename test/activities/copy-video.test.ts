import { describe, expect, test } from 'vitest';
import { copyVideo, UnusableVideoError } from '../../src/activities/copy-video.ts';
import type { RemoteFile } from '../../src/activities/deps.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { videoBytes } from './file-server.ts';

interface Copying {
  readonly headers?: RemoteFile['headers'];
  /** How the store puts what its body failed with. */
  readonly wrap?: (error: unknown) => unknown;
}

/** Copies these chunks to a store that keeps nothing. */
function copying(chunks: readonly Uint8Array[], { headers = {}, wrap = (error) => error }: Copying = {}) {
  const told: number[] = [];
  let destroyed = 0;
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const file: RemoteFile = { status: 200, headers, body: Object.assign(body(), { destroy: () => (destroyed += 1) }) };
  const write: ObjectStore['write'] = async (_, object) => {
    try {
      if (!(object.body instanceof Uint8Array)) for await (const chunk of object.body) void chunk;
    } catch (error) {
      throw wrap(error);
    }
  };
  const nothing = () => Promise.reject(new Error('nobody asks'));
  const store: ObjectStore = { write, open: nothing, describe: nothing, copy: nothing, remove: nothing };
  const signal = new AbortController().signal;
  const copied = copyVideo(file, { store, key: 'assets/video.mp4', signal, onBytes: (soFar) => told.push(soFar) });
  return { copied, told, destroyed: () => destroyed };
}

describe('on their way the bytes', () => {
  test('are counted, and told of as they come', async () => {
    const video = videoBytes(100);
    const { copied, told, destroyed } = copying([video.subarray(0, 30), video.subarray(30, 31), video.subarray(31)]);
    expect(await copied).toMatchObject({ contentType: 'video/mp4', bytes: 100 });
    expect(told).toEqual([30, 31, 100]);
    expect(destroyed()).toBe(1);
  });

  test('are no more than we take, however many are announced', async () => {
    const { copied } = copying([videoBytes(), new Uint8Array(limits.assetBytesMax - 999)]);
    await expect(copied).rejects.toMatchObject({ vendorCode: 'too_large' });
  });

  test.each([999, 1_001])('are as many as were announced: %i', async (announced) => {
    const { copied } = copying([videoBytes(1_000)], { headers: { 'content-length': String(announced) } });
    await expect(copied).rejects.toThrow('the video was cut off on its way');
  });

  test('are refused before the first one is read where too many are announced', async () => {
    const { copied, told, destroyed } = copying([videoBytes()], {
      headers: { 'content-length': String(limits.assetBytesMax + 1) },
    });
    await expect(copied).rejects.toBeInstanceOf(UnusableVideoError);
    expect([told, destroyed()]).toEqual([[], 1]);
  });

  test('are refused as soon as they show what they are', async () => {
    const { copied, told } = copying([Buffer.from('<!doctype html>'), videoBytes(), videoBytes()]);
    await expect(copied).rejects.toMatchObject({ vendorCode: 'not_a_video' });
    expect(told).toEqual([]);
  });

  test('show what they are in whatever pieces they come', async () => {
    const video = videoBytes(40);
    const { copied } = copying(Array.from(video, (byte) => Uint8Array.of(byte)));
    expect(await copied).toMatchObject({ contentType: 'video/mp4', bytes: 40 });
  });

  test('are refused in our own words, also by a store that has others', async () => {
    const wrap = (error: unknown): Error => new Error('upload failed', { cause: error });
    await expect(copying([Buffer.alloc(100)], { wrap }).copied).rejects.toMatchObject({ vendorCode: 'not_a_video' });
  });
});
