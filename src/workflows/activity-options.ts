import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';
import { webhookTaskQueue } from '../contracts/deliver-webhook.ts';
import { assetTaskQueue, checkTaskQueue } from '../contracts/generate-video.ts';
import { limits } from '../domain/limits/limits.ts';

/**
 * Every timeout and retry of an activity, in one table.
 *
 * `submit` outlasts the preparing of a picture (95 s, mostly in line), its hand-over (60 s), its POST (30 s) and the note
 * of it (20 s), and is never cancelled: an aborted POST would be an ambiguous one. Its retries find the ledger row and do not POST. The heartbeat notices a killed worker long before the start-to-close.
 */
export const submitOptions: ActivityOptions = {
  startToCloseTimeout: '240s',
  heartbeatTimeout: '15s',
  cancellationType: 'ABANDON',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '15s' },
};

/** Its retries are the polls: the activity says itself when the next one is due, and they add no history. */
export const watchOptions: ActivityOptions = {
  taskQueue: checkTaskQueue,
  startToCloseTimeout: '45s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '5s', backoffCoefficient: 1.5, maximumInterval: '30s' },
};

/**
 * One try may take a quarter of an hour, all of them as long as the shortest-lived link of a vendor. A try that was cut
 * off is missed by its heartbeat and begins anew.
 */
export const storeOptions: ActivityOptions = {
  taskQueue: assetTaskQueue,
  scheduleToCloseTimeout: limits.storeMsMax,
  startToCloseTimeout: limits.storeTryMsMax,
  heartbeatTimeout: '30s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '1m' },
};

/** A local activity holds a workflow-task slot and heartbeats the task at 8 s, so it has to be quick … */
export const bookkeepingLocalOptions: LocalActivityOptions = {
  startToCloseTimeout: '2s',
  scheduleToCloseTimeout: '5s',
  retry: { initialInterval: '200ms', maximumInterval: '1s' },
};

/** … and what it could not do, say because Postgres restarts, the same function does as a regular one. */
export const bookkeepingOptions: ActivityOptions = {
  startToCloseTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
};

/** A few statements, linear in the line. What can't be read now is read in a minute. */
export const overviewOptions: LocalActivityOptions = {
  startToCloseTimeout: '5s',
  scheduleToCloseTimeout: '6s',
  retry: { maximumAttempts: 1 },
};

/** Best effort: the job is settled already. */
export const stopOptions: ActivityOptions = {
  startToCloseTimeout: '45s',
  scheduleToCloseTimeout: '5m',
  retry: { initialInterval: '2s', maximumInterval: '30s' },
};

/** A batch that keeps failing is left to the next run. */
export const removeOptions: ActivityOptions = {
  taskQueue: assetTaskQueue,
  scheduleToCloseTimeout: limits.retentionEveryMs,
  startToCloseTimeout: '3m',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '1m' },
};

/** Outlasts a try (15 s), its notes, and its lease (30 s): whoever begins anew finds the lease of a killed one run out. */
export const webhookOptions: ActivityOptions = {
  taskQueue: webhookTaskQueue,
  startToCloseTimeout: '40s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '1m' },
};
