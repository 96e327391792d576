import type { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createPool } from '../db/pool.ts';
import { createWakeUps, listenToWakeUps } from '../db/wake-ups.ts';
import { createWorkers } from './create-workers.ts';
import { createObjectStore, storageNotice } from './object-store.ts';
import { startDispatch, type Wake } from './start-dispatch.ts';
import { startErasures } from './start-erasures.ts';
import { type Stoppable, startTogether } from './stop.ts';
import { connectToTemporal } from './temporal.ts';
import { startWebhooks } from './webhooks.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** Workflows, activities and the dispatcher, in one process. Stops in the order that loses nothing. */
export async function runWorker(settings: WorkerSettings): Promise<Stoppable> {
  const { config, databaseUrl, log } = settings;
  const notice = storageNotice(config);
  if (notice !== undefined) log.info({ notice }, 'storage');
  const onError = (error: unknown): void => log.warn({ err: error }, 'worker lost a connection');
  return await startTogether(onError, async (started) => {
    const connection = await connectToTemporal(settings.temporal);
    started.add({ stop: () => connection.close() });
    const pool = createPool({
      url: databaseUrl,
      connectionsMax: 20,
      name: 'worker',
      statementTimeoutMs: 5_000,
      onError,
    });
    started.add({ stop: () => pool.end() });

    // Nothing is granted before there is somebody to work on it.
    let wake: Wake = () => undefined;
    const store = createObjectStore(config);
    const wakeUps = createWakeUps(pool);
    const workers = await createWorkers(settings, {
      pool,
      connection,
      store,
      onQueued: () => wake(['grant']),
      onEvents: () => wakeUps.send('events'),
    });
    started.add(runToTheEnd(workers, log));
    const dispatch = startDispatch(settings, { pool, connection });
    wake = dispatch.wake;
    started.add(dispatch);
    const erasures = startErasures(settings, { pool, store });
    started.add(erasures);
    const webhooks = started.add(startWebhooks(settings, { pool, connection }));
    const listener = listenToWakeUps(databaseUrl, (kinds) => {
      dispatch.wake(kinds);
      erasures.wake(kinds);
      webhooks.wake(kinds);
    });
    started.add({ stop: () => listener.close() });
    return {};
  });
}

/** A worker that ends by itself takes its process along: half a worker would look like a whole one. */
function runToTheEnd(workers: readonly Worker[], log: Logger): Stoppable {
  const running = Promise.all(workers.map((worker) => worker.run()));
  running.catch((error: unknown) => {
    log.fatal({ err: error }, 'worker ended by itself');
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  return {
    async stop() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await running.catch(() => undefined);
    },
  };
}
