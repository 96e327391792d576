/** Lets so many in at once. The others stand in line, in the order of their arrival. */
export type Gate = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Somebody stood in line for too long. Nothing of the work was begun. */
class GateBusyError extends Error {
  override name = 'GateBusyError';
}

export function createGate({ placesMax, waitMsMax }: { placesMax: number; waitMsMax: number }): Gate {
  const line: (() => void)[] = [];
  let taken = 0;
  return async (work) => {
    if (taken < placesMax) taken += 1;
    else await called();
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line, so that nobody comes between.
      const next = line.shift();
      if (next) next();
      else taken -= 1;
    }
  };

  function called(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        line.splice(line.indexOf(enter), 1);
        reject(new GateBusyError(`no place within ${waitMsMax} ms: start more workers`));
      }, waitMsMax);
      line.push(enter);
    });
  }
}
