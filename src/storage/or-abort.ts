/**
 * Waits for work until the signal aborts. It forgets the loser: one promise for a whole body would remember every chunk
 * that won against it. The work goes on, and what becomes of it is for the caller to see to.
 */
export async function orAbort<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(settled);
    if (signal.aborted) onAbort();
  });
}
