import { fileURLToPath } from 'node:url';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type pg from 'pg';
import { createActivities } from '../activities/index.ts';
import { createWebhookActivities } from '../activities/try-webhook.ts';
import { webhookTaskQueue } from '../contracts/deliver-webhook.ts';
import { assetTaskQueue, checkTaskQueue, taskQueue } from '../contracts/generate-video.ts';
import { limits } from '../domain/limits.ts';
import { callerUrlPolicy } from '../providers/hostile-url.ts';
import { createRemoteFiles } from '../providers/remote-file.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { polls } from './metrics.ts';
import { createTryDeps } from './webhooks.ts';
import type { WorkerSettings } from './worker-settings.ts';

export interface WorkerParts {
  readonly pool: pg.Pool;
  readonly connection: NativeConnection;
}

/** What activities need besides: where videos go, and whom they tell of what they did. */
export interface WorkerEnds {
  readonly store: ObjectStore;
  readonly onQueued: () => void;
  readonly onEvents: () => void;
}

/** Activities under way are asked to end only after this, and waited for in any case: a POST is never cut off. */
const shutdownGraceMs = 35_000;

/** A worker for each task queue: what is long or slow on one has no slot of another. */
export async function createWorkers(
  settings: WorkerSettings,
  { pool, connection, store, onQueued, onEvents }: WorkerParts & WorkerEnds,
): Promise<readonly Worker[]> {
  const { temporal, catalogue, vendors, publicUrl, log } = settings;
  const inputs = createRemoteFiles({ policy: callerUrlPolicy });
  const activities = createActivities({
    db: pool,
    catalogue,
    providers: vendors.providers,
    remoteFiles: vendors.remoteFiles,
    openInput: (file) => inputs.open(file),
    store,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    log,
    onQueued,
    onEvents,
    onPolled: (target) => polls.inc({ target }),
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
    Worker.create({
      ...common,
      taskQueue: assetTaskQueue,
      maxConcurrentActivityTaskExecutions: limits.storesAtOnceMax,
      maxConcurrentActivityTaskPolls: 2,
    }),
    Worker.create({
      ...common,
      activities: { ...createWebhookActivities(createTryDeps({ pool, settings })) },
      taskQueue: webhookTaskQueue,
      maxConcurrentActivityTaskExecutions: limits.webhookRetriesAtOnceMax,
      maxConcurrentActivityTaskPolls: 4,
    }),
  ]);
}
