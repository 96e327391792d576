import { addAbortSignal } from 'node:stream';
import type { ByteRange, ObjectStore, OpenedObject } from './object-store.ts';
import { orAbort } from './or-abort.ts';

/** An object, or a part of it, that somebody waits for until the signal aborts. */
export interface ObjectQuery {
  readonly key: string;
  readonly range?: ByteRange | undefined;
  readonly signal: AbortSignal;
}

/** Opens an object in time. One that is opened too late is closed again: nobody is there to read it. */
export async function openInTime(
  store: ObjectStore,
  { key, range, signal }: ObjectQuery,
): Promise<OpenedObject | undefined> {
  const opening = store.open(key, range);
  try {
    return await orAbort(opening, signal);
  } catch (error) {
    opening.then(closeObject, () => undefined);
    throw error;
  }
}

export interface ReadObject {
  /** Of the whole object. */
  readonly bytes: number;
  readonly content: Buffer;
}

/** Reads an object into memory, all of it in time. Undefined: there is none. */
export async function readObject(store: ObjectStore, query: ObjectQuery): Promise<ReadObject | undefined> {
  const opened = await openInTime(store, query);
  if (opened === undefined) return undefined;
  const chunks: Uint8Array[] = await addAbortSignal(query.signal, opened.body).toArray();
  return { bytes: opened.bytes, content: Buffer.concat(chunks) };
}

/** Lets go of an object that nobody reads. */
export function closeObject(opened: OpenedObject | undefined): void {
  // A connection that is cut says so, and nobody else listens.
  opened?.body.on('error', () => undefined).destroy();
}
