import type { Client } from '@temporalio/client';
import { webhookTaskQueue } from '../contracts/deliver-webhook.ts';
import { assetTaskQueue, checkTaskQueue, taskQueue } from '../contracts/generate-video.ts';
import type { Build } from '../domain/build.ts';
import { limits } from '../domain/limits/limits.ts';

/** What Temporal says of one build, in our words. `inactive`: it was never given anything. */
export type BuildStatus = 'inactive' | 'current' | 'ramping' | 'draining' | 'drained';

export interface BuildState {
  readonly buildId: string;
  readonly status: BuildStatus;
}

/** The builds of a deployment, and where Temporal sends what is new. */
export interface DeploymentState {
  readonly current: string | undefined;
  readonly ramping: { readonly buildId: string; readonly percentage: number } | undefined;
  readonly builds: readonly BuildState[];
}

/** What a worker of a whole build serves. Temporal routes an activity by its own queue's builds. */
export const servedQueues = [taskQueue, checkTaskQueue, assetTaskQueue, webhookTaskQueue] as const;

const nothing: DeploymentState = { current: undefined, ramping: undefined, builds: [] };

/** By the numbers of `WorkerDeploymentVersionStatus`. */
const statuses: readonly BuildStatus[] = [
  'inactive',
  'inactive',
  'current',
  'ramping',
  'draining',
  'drained',
  'inactive',
];

/** A deployment of which no worker was ever seen has no builds. */
export async function readDeployment(client: Client, deploymentName: string): Promise<DeploymentState> {
  const { workflowService, options } = client;
  const answer = await within(client, () =>
    ifKnown(workflowService.describeWorkerDeployment({ namespace: options.namespace, deploymentName })),
  );
  const info = answer?.workerDeploymentInfo;
  if (!info) return nothing;
  const { currentDeploymentVersion, rampingDeploymentVersion, rampingVersionPercentage } = info.routingConfig ?? {};
  const ramping = rampingDeploymentVersion?.buildId;
  return {
    current: currentDeploymentVersion?.buildId ?? undefined,
    ramping: ramping ? { buildId: ramping, percentage: rampingVersionPercentage ?? 0 } : undefined,
    builds: (info.versionSummaries ?? []).map(({ deploymentVersion, status }) => ({
      buildId: deploymentVersion?.buildId ?? '',
      status: statuses[Number(status)] ?? 'inactive',
    })),
  };
}

/** Queues that no worker of the build serves: all of them where none runs, since Temporal keeps what was ever served. */
export async function queuesWithout(client: Client, build: Build): Promise<readonly string[]> {
  const { workflowService, options } = client;
  if (!(await pollingBuilds(client, build.deploymentName)).has(build.buildId)) return servedQueues;
  const answer = await within(client, () =>
    ifKnown(
      workflowService.describeWorkerDeploymentVersion({
        namespace: options.namespace,
        deploymentVersion: { ...build },
      }),
    ),
  );
  const served = new Set((answer?.versionTaskQueues ?? []).map(({ name }) => name));
  return servedQueues.filter((queue) => !served.has(queue));
}

/**
 * Builds whose workers have asked for workflow tasks of late, and when they last did, in milliseconds. Temporal remembers one
 * that has ended as it does one that waits for an answer.
 */
export async function pollingBuilds(client: Client, deploymentName: string): Promise<ReadonlyMap<string, number>> {
  const { namespace } = client.options;
  const { pollers } = await within(client, () =>
    client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
  );
  const since = Date.now() - limits.pollerSecondsSeen * 1_000;
  const asked = new Map<string, number>();
  for (const { deploymentOptions, lastAccessTime } of pollers ?? []) {
    const [buildId, at] = [deploymentOptions?.buildId, millisecondsOf(lastAccessTime)];
    if (buildId && deploymentOptions?.deploymentName === deploymentName && at > since)
      asked.set(buildId, Math.max(at, asked.get(buildId) ?? 0));
  }
  return asked;
}

type Timestamp = { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined;

function millisecondsOf(time: Timestamp): number {
  return Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6;
}

/** Temporal refuses a build that it never heard of, or that lacks a queue of the one before, and not one whose workers are gone. */
export async function setCurrent(client: Client, { deploymentName, buildId }: Build): Promise<void> {
  const { workflowService, options } = client;
  await within(client, () =>
    workflowService.setWorkerDeploymentCurrentVersion({ namespace: options.namespace, deploymentName, buildId }),
  );
}

/** Gives the build a share of what is new. Nought takes it back. */
export async function setRamping(
  client: Client,
  { deploymentName, buildId }: Build,
  percentage: number,
): Promise<void> {
  const { workflowService, options } = client;
  const build = percentage === 0 ? '' : buildId;
  await within(client, () =>
    workflowService.setWorkerDeploymentRampingVersion({
      namespace: options.namespace,
      deploymentName,
      buildId: build,
      percentage,
    }),
  );
}

async function within<Answer>(client: Client, ask: () => Promise<Answer>): Promise<Answer> {
  return await client.withDeadline(Date.now() + limits.deploymentAskMsMax, ask);
}

const grpcNotFound = 5;

async function ifKnown<Answer>(asking: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === grpcNotFound) return undefined;
    throw error;
  }
}
