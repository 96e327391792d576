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

/** Stops in the reverse order of starting; one that fails does not keep the others running. */
export async function stopAll(started: readonly Stoppable[], onError: (error: unknown) => void): Promise<void> {
  for (const part of started.toReversed()) {
    try {
      await part.stop();
    } catch (error) {
      onError(error);
    }
  }
}
