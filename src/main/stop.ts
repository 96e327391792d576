/** Something that main has started and has to stop. */
export interface Stoppable {
  stop(): Promise<void>;
}

/** One key press may arrive more than once, from the terminal and from npm: what follows this soon is the same one. */
const samePressMs = 1_000;

/** Resolves on the first SIGINT or SIGTERM. A further one, later, ends the process at once. */
export async function untilSignal(): Promise<NodeJS.Signals> {
  return await new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      firstAt ??= Date.now();
      if (Date.now() - firstAt > samePressMs) process.exit(130);
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

/** Collects what was started. What comes after the stop, because its start was under way, is stopped at once. */
export interface Started {
  add<Part extends Stoppable>(part: Part): Part;
  /** Stops in the reverse order of starting; one that fails does not keep the others running. */
  stopAll(): Promise<void>;
}

export function createStarted(onError: (error: unknown) => void): Started {
  const parts: Stoppable[] = [];
  let stopping = false;
  const stop = async (part: Stoppable): Promise<void> => {
    await part.stop().catch(onError);
  };
  return {
    add(part) {
      if (stopping) void stop(part);
      else parts.push(part);
      return part;
    },
    async stopAll() {
      stopping = true;
      for (const part of parts.splice(0).toReversed()) await stop(part);
    },
  };
}

/** Starts several things as one part: when a later one fails, or when it is stopped, they stop in reverse order. */
export async function startTogether<Result extends object>(
  onError: (error: unknown) => void,
  start: (started: Started) => Promise<Result>,
): Promise<Result & Stoppable> {
  const started = createStarted(onError);
  try {
    return { ...(await start(started)), stop: () => started.stopAll() };
  } catch (error) {
    await started.stopAll();
    throw error;
  }
}
