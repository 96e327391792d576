import { limits } from '../domain/limits/limits.ts';
import type { ByteRange, ObjectStore, OpenedObject } from '../storage/object-store.ts';
import { type ObjectQuery, openInTime, readObject, type ReadObject } from '../storage/read-object.ts';
import { within } from './database-wait.ts';
import { temporaryProblem } from './problems/problem.ts';

/** Waits for the object store; one that can't answer is a 503 and not a fault. */
export async function storeAnswered<Result>(work: Promise<Result>): Promise<Result> {
  return await orUnavailable(within(work, limits.storeWaitMsMax));
}

/** A part of an object, or all of it. */
export interface Wanted {
  readonly key: string;
  readonly range?: ByteRange | undefined;
}

/** Opens an object within the wait. Undefined: there is none. */
export async function openAnswered(store: ObjectStore, wanted: Wanted): Promise<OpenedObject | undefined> {
  return await orUnavailable(openInTime(store, inTime(wanted)));
}

/** Reads an object into memory within the wait. Undefined: there is none. */
export async function readAnswered(store: ObjectStore, wanted: Wanted): Promise<ReadObject | undefined> {
  return await orUnavailable(readObject(store, inTime(wanted)));
}

function inTime(wanted: Wanted): ObjectQuery {
  return { ...wanted, signal: AbortSignal.timeout(limits.storeWaitMsMax) };
}

async function orUnavailable<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw temporaryProblem('storage_unavailable', error);
  }
}
