import { fileURLToPath } from 'node:url';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type pg from 'pg';
import { createActivities } from '../../activities/index.ts';
import { createOverviewActivities } from '../../activities/read-overview.ts';
import { createWebhookActivities } from '../../activities/try-webhook.ts';
import { webhookTaskQueue } from '../../contracts/deliver-webhook.ts';
import { assetTaskQueue, checkTaskQueue, taskQueue } from '../../contracts/generate-video.ts';
import type { Build } from '../../domain/build.ts';
import { type WorkerQueue, workerSlots } from '../../domain/worker-tuning.ts';
import { callerUrlPolicy } from '../../providers/hostile-url.ts';
import { createRemoteFiles } from '../../providers/remote-file.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { polls, submits, prunedJobs } from '../metrics/metrics.ts';
import { createTryDeps } from '../webhooks.ts';
import type { WorkerSettings } from './settings.ts';

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

/** A worker for each task queue that this process serves: what is long or slow on one has no slot of another. */
export async function createWorkers(
  settings: WorkerSettings,
  { pool, connection, store, onQueued, onEvents }: WorkerParts & WorkerEnds,
): Promise<readonly Worker[]> {
  const { config, temporal, catalogue, vendors, publicUrl, log } = settings;
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
    onSubmit: (target) => submits.inc({ target }),
    jobDaysKept: settings.config.jobDaysKept,
    onPruned: (count) => prunedJobs.inc(count),
    onPolled: (target) => polls.inc({ target }),
  });
  const common = {
    connection,
    namespace: temporal.namespace,
    shutdownGraceTime: shutdownGraceMs,
    activities: { ...activities, ...createOverviewActivities({ db: pool, log, stuckAfterMs: config.stuckAfterMs }) },
    ...versioningOf(config.workerBuild),
    ...(temporal.dataConverter && { dataConverter: temporal.dataConverter }),
  };
  const slots = workerSlots(config.worker);
  const create: Readonly<Record<WorkerQueue, () => Promise<Worker>>> = {
    workflows: () =>
      Worker.create({
        ...common,
        ...slots.workflows,
        taskQueue,
        workflowsPath: fileURLToPath(new URL('../../workflows', import.meta.url)),
      }),
    checks: () => Worker.create({ ...common, ...slots.checks, taskQueue: checkTaskQueue }),
    assets: () => Worker.create({ ...common, ...slots.assets, taskQueue: assetTaskQueue }),
    webhooks: () =>
      Worker.create({
        ...common,
        ...slots.webhooks,
        taskQueue: webhookTaskQueue,
        activities: { ...createWebhookActivities(createTryDeps({ pool, settings })) },
      }),
  };
  return await Promise.all(config.worker.queues.map((queue) => create[queue]()));
}

/**
 * Every queue of a worker is of its build, so that a pinned workflow's activities stay with it too. A job is over within
 * hours, and its build's workers last that long: what lives longer says at its own place that it goes with the times.
 */
function versioningOf(version: Build | undefined): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (version === undefined) return {};
  return { workerDeploymentOptions: { useWorkerVersioning: true, version, defaultVersioningBehavior: 'PINNED' } };
}
