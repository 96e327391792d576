import type { Worker } from '@temporalio/worker';
import type { Stoppable } from '../stop.ts';

type Runnable = Pick<Worker, 'run' | 'shutdown' | 'getState'>;

/**
 * Runs all workers of a process. `onDeath`: one has ended by itself, and the others go on until they are stopped. The stop
 * waits for each of them, the dead one or not: an answer that was paid for is noted before anything else is closed.
 */
export function runTogether(workers: readonly Runnable[], onDeath: (error: unknown) => void): Stoppable {
  const runs = workers.map((worker) => worker.run());
  Promise.all(runs).catch(onDeath);
  return {
    async stop() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
    },
  };
}
