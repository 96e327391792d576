import { createHash } from 'node:crypto';
import { type AttemptPlace, beginAsset, keepAsset } from '../db/jobs/assets.ts';
import type { Database } from '../db/pool.ts';
import { videoHeadBytes, type VideoType, videoTypeOf } from '../domain/video-type.ts';
import { assetKey, type ObjectStore } from '../storage/object-store.ts';

/**
 * Notes a video of ours once more that the object store has and the database has not: read to its end, since size and hash are
 * what proves it whole. `missing`: the store has no such video. `no`: the ledger says that it failed, or its job has ended.
 */
export async function adoptAsset(
  { db, store }: { readonly db: Database; readonly store: ObjectStore },
  { tenant, ...place }: AttemptPlace & { readonly tenant: string },
): Promise<'kept' | 'missing' | 'no'> {
  const key = assetKey({ tenant, ...place });
  if ((await store.describe(key)) === undefined) return 'missing';
  const { verdict } = await beginAsset(db, { ...place, key });
  if (verdict !== 'go') return verdict === 'kept' ? 'kept' : 'no';
  const read = await readVideo(store, key);
  if (read === undefined) return 'missing';
  return (await keepAsset(db, { ...place, key, ...read })) === 'kept' ? 'kept' : 'no';
}

async function readVideo(
  store: ObjectStore,
  key: string,
): Promise<{ contentType: VideoType; bytes: number; sha256: Uint8Array } | undefined> {
  const opened = await store.open(key);
  if (opened === undefined) return undefined;
  const hash = createHash('sha256');
  let bytes = 0;
  let head = Buffer.alloc(0);
  const body: AsyncIterable<Uint8Array> = opened.body;
  for await (const chunk of body) {
    hash.update(chunk);
    bytes += chunk.byteLength;
    if (head.byteLength < videoHeadBytes) head = Buffer.concat([head, chunk.subarray(0, videoHeadBytes)]);
  }
  const contentType = videoTypeOf(head);
  return contentType && { contentType, bytes, sha256: hash.digest() };
}
