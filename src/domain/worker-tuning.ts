import { limits } from './limits/limits.ts';

/** The task queues of one worker process, by the words that operators use for them. */
export const workerQueues = ['workflows', 'checks', 'assets', 'webhooks'] as const;

export type WorkerQueue = (typeof workerQueues)[number];

/** What one worker process does at once. Its defaults are the figures that docs/benchmarks.md was measured with. */
export interface WorkerTuning {
  /** What it serves. Dispatch runs where `workflows` does. */
  readonly queues: readonly WorkerQueue[];
  /** Workflow tasks at once: each is CPU of the one workflow thread. */
  readonly workflowSlots: number;
  readonly workflowPollers: number;
  /** Workflows that are kept in memory, about a megabyte each; the others are read again from their histories. */
  readonly cachedWorkflows: number;
  /** Submits and other activities at once. A slot is a socket, not a CPU. */
  readonly activitySlots: number;
  readonly activityPollers: number;
  /** Questions to providers at once. */
  readonly checkSlots: number;
  /** Videos copied at once. */
  readonly assetSlots: number;
  /** Retries of webhooks at once. */
  readonly webhookSlots: number;
  /** Workflows that the relay starts, and letters that it delivers, at once. */
  readonly relayHands: number;
}

export const defaultWorkerTuning: WorkerTuning = {
  queues: workerQueues,
  workflowSlots: 100,
  workflowPollers: 20,
  cachedWorkflows: 1_000,
  activitySlots: 1_000,
  activityPollers: 10,
  checkSlots: 200,
  assetSlots: limits.storesAtOnceMax,
  webhookSlots: limits.webhookRetriesAtOnceMax,
  relayHands: 50,
};

/** Pollers of the queues that have no figure of their own: work on them comes slowly enough for these. */
const pollersMax = { checks: 4, assets: 2, webhooks: 4 } as const;

/** As the SDK names them, for each queue. */
export function workerSlots(tuning: WorkerTuning) {
  return {
    workflows: {
      maxConcurrentWorkflowTaskExecutions: tuning.workflowSlots,
      // Local activities are statements of a workflow's own task: no more of them than there are tasks.
      maxConcurrentLocalActivityExecutions: tuning.workflowSlots,
      maxConcurrentActivityTaskExecutions: tuning.activitySlots,
      maxConcurrentActivityTaskPolls: tuning.activityPollers,
      maxConcurrentWorkflowTaskPolls: tuning.workflowPollers,
      maxCachedWorkflows: tuning.cachedWorkflows,
    },
    checks: activitySlots(tuning.checkSlots, pollersMax.checks),
    assets: activitySlots(tuning.assetSlots, pollersMax.assets),
    webhooks: activitySlots(tuning.webhookSlots, pollersMax.webhooks),
  };
}

function activitySlots(slots: number, pollers: number) {
  return { maxConcurrentActivityTaskExecutions: slots, maxConcurrentActivityTaskPolls: Math.min(slots, pollers) };
}

/** What contradicts itself, a sentence each, in the words of the variables. */
export function faultsOfTuning(tuning: WorkerTuning): readonly string[] {
  const { workflowSlots, workflowPollers, cachedWorkflows, activitySlots, activityPollers } = tuning;
  const faults: string[] = [];
  if (workflowPollers > workflowSlots)
    faults.push(
      `WORKER_WORKFLOW_POLLERS is ${workflowPollers} and WORKER_WORKFLOW_SLOTS ${workflowSlots}: a poller without a slot waits. Take at most as many pollers as slots.`,
    );
  if (activityPollers > activitySlots)
    faults.push(
      `WORKER_ACTIVITY_POLLERS is ${activityPollers} and WORKER_ACTIVITY_SLOTS ${activitySlots}: a poller without a slot waits. Take at most as many pollers as slots.`,
    );
  if (cachedWorkflows < workflowSlots)
    faults.push(
      `WORKER_CACHED_WORKFLOWS is ${cachedWorkflows} and WORKER_WORKFLOW_SLOTS ${workflowSlots}: every task would read its history again. Cache at least as many workflows as there are slots.`,
    );
  return faults;
}
