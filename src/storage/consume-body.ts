import { Readable } from 'node:stream';
import type { NewObject } from './object-store.ts';
import { orAbort } from './or-abort.ts';

/**
 * Lets `write` have the bytes of a body, chunk by chunk. They end with the signal's reason as soon as it aborts: also
 * while whoever sends them is silent, which is when somebody aborts.
 */
export async function consumeBody(
  { body, signal }: NewObject,
  write: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  // Whoever reads a stream is told its error; one that breaks before anybody reads would end the process.
  if (body instanceof Readable) body.on('error', () => undefined);
  try {
    await write(body instanceof Uint8Array ? whole(body, signal) : untilAborted(body, signal));
  } catch (error) {
    // It may not have been read at all, and it may hold a socket.
    if (body instanceof Readable) body.destroy();
    signal?.throwIfAborted();
    throw error;
  }
}

async function* whole(body: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  yield body;
}

async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOrAbort(iterator, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    const closed = iterator.return?.();
    // A body that hangs does not close before it goes on, which may be never.
    if (signal?.aborted === true) closed?.catch(() => undefined);
    else await closed;
  }
}

async function nextOrAbort(
  iterator: AsyncIterator<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<Uint8Array>> {
  if (!signal) return await iterator.next();
  signal.throwIfAborted();
  return await orAbort(iterator.next(), signal);
}
