import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type pg from 'pg';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Config } from '../config.ts';
import { checkTaskQueue, taskQueue } from '../contracts/generate-video.ts';
import { createPool } from '../db/pool.ts';
import { createWakeUps, listenToWakeUps } from '../db/wake-ups.ts';
import { grantPass } from '../dispatch/grant-pass.ts';
import { createRelay } from '../dispatch/mailbox-relay.ts';
import { reconcile } from '../dispatch/reconciler.ts';
import { sweep } from '../dispatch/sweeper.ts';
import { type Loop, startLoop } from '../dispatch/wake.ts';
import { createLocalImageStore } from '../storage/image-store.ts';
import { repairs, swept } from './metrics.ts';
import type { Stoppable } from './stop.ts';
import { connectToTemporal, type TemporalSettings } from './temporal.ts';
import type { Vendors } from './vendors.ts';

export interface WorkerSettings {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  readonly catalogue: Catalogue;
  readonly vendors: Vendors;
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}

/** Longer than a submit's HTTP timeout: a POST under way is never cut off. */
const shutdownGraceMs = 35_000;
const relayHandsMax = 50;

/** Workflows, activities and the dispatcher, in one process. Stops in the order that loses nothing. */
export async function runWorker(settings: WorkerSettings): Promise<Stoppable> {
  const { databaseUrl, log } = settings;
  const onError = (error: Error): void => log.warn({ err: error }, 'idle database connection broke');
  const pool = createPool({ url: databaseUrl, connectionsMax: 20, name: 'worker', statementTimeoutMs: 5_000, onError });
  const connection = await connectToTemporal(settings.temporal);
  const { dispatch, wake } = startDispatch(settings, { pool, connection });
  const workers = await createWorkers(settings, { pool, connection, onQueued: () => wake(['grant']) });
  const running = Promise.all(workers.map((worker) => worker.run()));
  const listener = listenToWakeUps(databaseUrl, wake);
  running.catch((error: unknown) => {
    log.fatal({ err: error }, 'worker ended by itself');
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  return {
    async stop() {
      await listener.close();
      await Promise.all(dispatch.map((loop) => loop.stop()));
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await running.catch(() => undefined);
      await pool.end();
      await connection.close();
    },
  };
}

interface WorkerParts {
  readonly pool: pg.Pool;
  readonly connection: NativeConnection;
}

async function createWorkers(
  { temporal, catalogue, vendors, publicUrl, config, log }: WorkerSettings,
  { pool, connection, onQueued }: WorkerParts & { onQueued: () => void },
): Promise<readonly Worker[]> {
  const activities = createActivities({
    db: pool,
    catalogue,
    providers: vendors.providers,
    images: createLocalImageStore(`${config.dataDirectory}/images`),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    log,
    onQueued,
  });
  const common = {
    connection,
    namespace: temporal.namespace,
    shutdownGraceTime: shutdownGraceMs,
    activities: { ...activities },
  };
  return await Promise.all([
    Worker.create({
      ...common,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('../workflows', import.meta.url)),
      maxConcurrentWorkflowTaskExecutions: 100,
      maxConcurrentLocalActivityExecutions: 100,
      // A slot of an activity is a socket, not a CPU.
      maxConcurrentActivityTaskExecutions: 1_000,
      maxConcurrentActivityTaskPolls: 10,
      maxConcurrentWorkflowTaskPolls: 20,
      maxCachedWorkflows: 1_000,
    }),
    Worker.create({
      ...common,
      taskQueue: checkTaskQueue,
      maxConcurrentActivityTaskExecutions: 200,
      maxConcurrentActivityTaskPolls: 4,
    }),
  ]);
}

interface Dispatch {
  readonly dispatch: readonly Loop[];
  readonly wake: (kinds: readonly string[]) => void;
}

/** The loops of dispatch. Each works when it is woken and looks by itself now and then. */
function startDispatch(settings: WorkerSettings, { pool, connection }: WorkerParts): Dispatch {
  const { config, temporal, vendors, log } = settings;
  const client = new Client({ connection, namespace: temporal.namespace });
  const wakeUps = createWakeUps(pool);
  const loop = (name: string, everyMs: number, round: () => Promise<'again' | 'idle'>): Loop =>
    startLoop({ name, everyMs, round, onError: (error) => log.warn({ err: error, loop: name }, 'round failed') });

  const relay = createRelay({
    pool,
    client,
    eagerStart: true,
    handsMax: relayHandsMax,
    log,
    onFree: () => deliveries.wake(),
  });
  const deliveries = loop('relay', 250, async () => ((await relay.takeUp()) > 0 ? 'again' : 'idle'));
  const grants = loop('grants', 250, async () => {
    const granted = await grantPass({ pool, submittingMax: config.submittingMax, startSlots: () => relay.freeHands() });
    if (granted === 0) return 'idle';
    deliveries.wake();
    wakeUps.send('mail');
    return 'again';
  });
  const sweeper = loop('sweeper', 1_000, async () => {
    await sweep({
      pool,
      stuckAfterMs: config.stuckAfterMs,
      visibleMax: 100,
      onSwept: (kind, count) => swept.inc({ kind }, count),
    });
    return 'idle';
  });
  const everyMs = config.reconcileEveryMs;
  const reconciler = loop('reconciler', everyMs, async () => {
    const { providers } = vendors;
    const onRepair = (repair: string, count: number): void => repairs.inc({ repair }, count);
    await reconcile({ pool, client, providers, silentMs: 2 * everyMs, zombieEveryMs: everyMs, log, onRepair });
    return 'idle';
  });
  const wake = (kinds: readonly string[]): void => {
    if (kinds.includes('mail')) deliveries.wake();
    if (kinds.includes('grant')) grants.wake();
  };
  const delivered: Loop = {
    ...deliveries,
    async stop() {
      await deliveries.stop();
      await relay.idle();
    },
  };
  return { dispatch: [grants, sweeper, reconciler, delivered], wake };
}
