import type { Logger } from 'pino';
import { createPool } from '../../db/pool.ts';
import { createWakeUps, listenToWakeUps } from '../../db/wake-ups.ts';
import { refuseMending, refusePutBack } from '../../operations/put-back.ts';
import { startBuildGate } from './build-gate.ts';
import { createWorkers } from './create-workers.ts';
import { tellFirstSamples } from '../metrics/first-samples.ts';
import { createObjectStore, storageNotice } from '../object-store.ts';
import { runTogether } from './run-together.ts';
import { startDispatch, type Wake } from './start-dispatch.ts';
import { startErasures } from './start-erasures.ts';
import { startStuckMetrics } from '../metrics/stuck-metrics.ts';
import { type Stoppable, startTogether } from '../stop.ts';
import { assertSearchAttributes } from '../temporal/attributes.ts';
import { connectToTemporal, createTemporalClient } from '../temporal/connection.ts';
import { startWebhooks } from '../webhooks.ts';
import type { WorkerSettings } from './settings.ts';

/** Workflows, activities and the dispatcher, in one process. Stops in the order that loses nothing. */
export async function runWorker(settings: WorkerSettings): Promise<Stoppable> {
  const { config, databaseUrl, log } = settings;
  const notice = storageNotice(config);
  if (notice !== undefined) log.info({ notice }, 'storage');
  tellFirstSamples(settings.vendors.pools.flatMap(({ targets = [] }) => targets.map(({ name }) => name)));
  const onError = (error: unknown): void => log.warn({ err: error }, 'worker lost a connection');
  return await startTogether(onError, async (started) => {
    const connection = await connectToTemporal(settings.temporal);
    started.add({ stop: () => connection.close() });
    await assertSearchAttributes(connection, settings.temporal);
    const pool = createPool({
      url: databaseUrl,
      connectionsMax: 20,
      name: 'worker',
      statementTimeoutMs: 5_000,
      onError,
    });
    started.add({ stop: () => pool.end() });
    const client = createTemporalClient(settings.temporal, connection);
    await refusePutBack(client, {
      db: pool,
      daysKept: config.jobDaysKept,
      onUnread: (error) =>
        log.error({ err: error }, 'started without knowing whether the database was restored to an earlier moment'),
    });

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
    // Its connection of before may have been gone when those of others were counted.
    await refuseMending(pool);
    started.add(runTogether(workers, (error) => endProcess(error, log)));
    // Dispatch starts workflows, and only beside those who serve them can it do so without a round trip.
    if (!config.worker.queues.includes('workflows')) return {};
    const gate = started.add(startBuildGate(settings, { connection, onOpen: () => wake(['build', 'grant', 'mail']) }));
    const dispatch = startDispatch(settings, { pool, connection, gate });
    wake = dispatch.wake;
    started.add(dispatch);
    started.add(startStuckMetrics(settings));
    const erasures = startErasures(settings, { pool, store });
    started.add(erasures);
    const webhooks = started.add(startWebhooks(settings, { pool, connection, gate }));
    const listener = listenToWakeUps(config.databaseDirectUrl ?? databaseUrl, (kinds) => {
      dispatch.wake(kinds);
      erasures.wake(kinds);
      webhooks.wake(kinds);
    });
    started.add({ stop: () => listener.close() });
    return {};
  });
}

/** Half a worker would look like a whole one. What is under way is waited for, as for any other signal to stop. */
function endProcess(error: unknown, log: Logger): void {
  log.fatal({ err: error }, 'worker ended by itself');
  process.exitCode = 1;
  process.kill(process.pid, 'SIGTERM');
}
