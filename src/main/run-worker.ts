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
import { listenToWakeUps } from '../db/wake-ups.ts';
import { grantPass } from '../dispatch/grant-pass.ts';
import { createRelay } from '../dispatch/mailbox-relay.ts';
import { reconcile } from '../dispatch/reconciler.ts';
import { sweep } from '../dispatch/sweeper.ts';
import { type Loop, type LoopSettings, startLoop } from '../dispatch/wake.ts';
import { createLocalImageStore } from '../storage/image-store.ts';
import { repairs, swept } from './metrics.ts';
import { type Stoppable, startTogether } from './stop.ts';
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

/** Activities under way are asked to end only after this, and waited for in any case: a POST is never cut off. */
const shutdownGraceMs = 35_000;
const relayHandsMax = 50;
/** Every callback frees a slot and wakes the grant pass: in a flood most passes would find one to grant, or none. */
const grantGapMs = 100;

/** Workflows, activities and the dispatcher, in one process. Stops in the order that loses nothing. */
export async function runWorker(settings: WorkerSettings): Promise<Stoppable> {
  const { databaseUrl, log } = settings;
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
    const workers = await createWorkers(settings, { pool, connection, onQueued: () => wake(['grant']) });
    started.add(runToTheEnd(workers, log));
    const dispatch = startDispatch(settings, { pool, connection });
    wake = dispatch.wake;
    started.add(dispatch);
    const listener = listenToWakeUps(databaseUrl, wake);
    started.add({ stop: () => listener.close() });
    return {};
  });
}

type Wake = (kinds: readonly string[]) => void;

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

interface Dispatch extends Stoppable {
  readonly wake: Wake;
}

/** The loops of dispatch. Each works when it is woken and looks by itself now and then. */
function startDispatch(settings: WorkerSettings, { pool, connection }: WorkerParts): Dispatch {
  const { config, temporal, vendors, log } = settings;
  const client = new Client({ connection, namespace: temporal.namespace });
  const loop = (name: string, settings: Omit<LoopSettings, 'onError'>): Loop =>
    startLoop({ ...settings, onError: (error) => log.warn({ err: error, loop: name }, 'round failed') });

  const relay = createRelay({
    pool,
    client,
    eagerStart: true,
    handsMax: relayHandsMax,
    log,
    onFree: () => deliveries.wake(),
  });
  const deliveries = loop('relay', {
    everyMs: 250,
    round: async () => ((await relay.takeUp()) > 0 ? 'again' : 'idle'),
  });
  const grants = loop('grants', {
    everyMs: 250,
    gapMs: grantGapMs,
    round: async () => {
      const startSlots = (): number => relay.freeHands();
      const granted = await grantPass({ pool, submittingMax: config.submittingMax, startSlots });
      if (granted === 0) return 'idle';
      deliveries.wake();
      return 'again';
    },
  });
  const onSwept = (kind: string, count: number): void => swept.inc({ kind }, count);
  const sweeper = loop('sweeper', {
    everyMs: 1_000,
    round: async () => await sweep({ pool, stuckAfterMs: config.stuckAfterMs, visibleMax: 100, onSwept }),
  });
  const everyMs = config.reconcileEveryMs;
  const onRepair = (repair: string, count: number): void => repairs.inc({ repair }, count);
  const { providers } = vendors;
  const reconciler = loop('reconciler', {
    everyMs,
    round: async () => {
      await reconcile({ pool, client, providers, silentMs: 2 * everyMs, zombieEveryMs: everyMs, log, onRepair });
      return 'idle';
    },
  });
  return {
    wake(kinds) {
      if (kinds.includes('mail')) deliveries.wake();
      if (kinds.includes('grant')) grants.wake();
    },
    async stop() {
      await Promise.all([grants, sweeper, reconciler, deliveries].map((one) => one.stop()));
      await relay.idle();
    },
  };
}
