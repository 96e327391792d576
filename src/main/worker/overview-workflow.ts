import type { Client } from '@temporalio/client';
import { taskQueue } from '../../contracts/generate-video.ts';
import { overviewId, overviewType } from '../../contracts/overview.ts';

const deadlineMs = 20_000;

/**
 * Starts the standing workflow where it does not run. Every worker does so at its start and once a reconcile period, so that
 * it comes back by itself whatever an operator does to it.
 */
export async function ensureOverview(client: Client): Promise<void> {
  await client.withDeadline(Date.now() + deadlineMs, () =>
    client.workflow.start(overviewType, {
      workflowId: overviewId,
      taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: 'Spillway: pools, lines, breakers, pauses and stuck jobs',
      staticDetails:
        'Stands for good, and shows under **Current details** how everything stands, read once a minute. To terminate it harms nothing: it is started again.',
    }),
  );
}
