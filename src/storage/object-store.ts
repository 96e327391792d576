import type { Readable } from 'node:stream';
import { assert } from '../domain/assert.ts';

/**
 * Where pictures and videos are kept: a folder, or a bucket that speaks S3. A key is one to five segments of
 * `[a-z0-9_-]`, joined by slashes, with an extension that says its type: `assets/default/video_…/1.mp4`.
 */
export interface ObjectStore {
  /** Keeps an object whole and durably, or not at all: a reader never finds a part. The same key again replaces it. */
  write(key: string, object: NewObject): Promise<void>;
  /**
   * Undefined: there is none under this key. Whoever opened it reads it to its end or destroys it, and does not pause:
   * a connection that is idle for half a minute is cut. Its body fails rather than end early.
   */
  open(key: string, range?: ByteRange): Promise<OpenedObject | undefined>;
  /** Undefined: there is none under this key. */
  describe(key: string): Promise<ObjectFacts | undefined>;
  /** Copies an object without moving its bytes through us where the store can. `false`: there is none to copy. */
  copy(from: string, to: string): Promise<boolean>;
  /** Idempotent. */
  remove(key: string): Promise<void>;
  /** URLs that need no key of ours. Absent: whoever serves our API has to serve the objects too. */
  readonly links?: ObjectLinks;
}

export interface NewObject {
  /**
   * Read once, to its end; a stream that can't be written is destroyed. An error of it, or an abort, leaves nothing
   * behind and what was there before untouched.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** The write ends with its reason. An abort while the last bytes are on their way may come too late. */
  readonly signal?: AbortSignal;
}

/** Inclusive. It may reach beyond the object, and is empty where it begins there. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface ObjectFacts {
  /** Of the whole object. */
  readonly bytes: number;
}

export interface OpenedObject extends ObjectFacts {
  /** The range that was asked for, or everything. */
  readonly body: Readable;
}

export interface ObjectLinks {
  /** To be saved under this name, which is plain: letters, digits, `._-`. */
  download(key: string, link: { readonly secondsValid: number; readonly filename: string }): Promise<string>;
  /** For exactly one object of this size and type. */
  upload(key: string, link: { readonly secondsValid: number; readonly bytes: number }): Promise<UploadLink>;
}

export interface UploadLink {
  readonly url: string;
  /** That the client has to send along. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The key is not one of ours: a bug, or a path that somebody tried to smuggle in. */
export function assertKey(key: string): void {
  assert(keyPattern.test(key), 'a key is one of ours');
}

/** A range is two whole numbers in their order. */
export function assertRange(range: ByteRange | undefined): void {
  if (!range) return;
  const { start, end } = range;
  assert(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end, 'a range is in order');
}

const keyPattern = /^[a-z0-9_-]{1,128}(\/[a-z0-9_-]{1,128}){0,4}\.(jpg|png|webp|mp4)$/;

const contentTypes: ReadonlyMap<string, string> = new Map([
  ['jpg', 'image/jpeg'],
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['mp4', 'video/mp4'],
]);

/** The media type that a key's extension stands for. */
export function contentTypeOf(key: string): string {
  return contentTypes.get(key.slice(key.lastIndexOf('.') + 1)) ?? 'application/octet-stream';
}

/** Makes a key. The parts come from ids of ours. */
export function assetKey(asset: { tenant: string; jobId: string; attempt: number }): string {
  return `assets/${asset.tenant}/${asset.jobId}/${asset.attempt}.mp4`;
}
