import type { Writable } from 'node:stream';

/** Resolves when whoever reads has taken enough to be sent more, or has gone. */
export async function drainedOrClosed(to: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      to.off('drain', done).off('close', done);
      resolve();
    };
    to.on('drain', done).on('close', done);
  });
}
