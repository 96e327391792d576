import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { limits } from '../domain/limits.ts';
import type { ByteRange, ObjectStore } from '../storage/object-store.ts';
import { within } from './database-wait.ts';
import { temporaryProblem } from './problem.ts';

/** Waits for the object store; one that can't answer is a 503 and not a fault. */
export async function storeAnswered<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await within(work, limits.storeWaitMsMax);
  } catch (error) {
    throw temporaryProblem('storage_unavailable', error);
  }
}

export interface ReadObject {
  /** Of the whole object. */
  readonly bytes: number;
  readonly content: Buffer;
}

/** Reads a part of an object into memory. Undefined: there is none. */
export async function readObject(store: ObjectStore, key: string, range: ByteRange): Promise<ReadObject | undefined> {
  const opened = await store.open(key, range);
  if (opened === undefined) return undefined;
  const { body, bytes } = opened;
  return { bytes, content: await buffer(addAbortSignal(AbortSignal.timeout(limits.storeWaitMsMax), body)) };
}
