import type { Client } from '@temporalio/client';
import { taskQueue } from '../contracts/generate-video.ts';
import { type Build, mayDispatch, type Routing } from '../domain/build.ts';
import { limits } from '../domain/limits/limits.ts';

export interface BuildGateDeps {
  readonly client: Client;
  /** Of this process. Absent: it is not versioned, and Temporal is not asked. */
  readonly build: Build | undefined;
  readonly onChange: (isOpen: boolean) => void;
}

/** Whether this process may dispatch. */
export interface BuildGate {
  isOpen(): boolean;
  /** Asks Temporal anew. While it is away, the last answer stands; before the first one the gate is closed. */
  look(): Promise<void>;
}

export function createBuildGate({ client, build, onChange }: BuildGateDeps): BuildGate {
  let routing: Routing = { kind: 'unknown' };
  const isOpen = (): boolean => mayDispatch(build, routing);
  return {
    isOpen,
    async look() {
      if (build === undefined) return;
      const [wasKnown, wasOpen] = [routing.kind !== 'unknown', isOpen()];
      routing = await readRouting(client);
      if (!wasKnown || wasOpen !== isOpen()) onChange(isOpen());
    },
  };
}

/**
 * By the task queue, and not by the deployment: that is what decides where a workflow that is started now will run, it
 * follows a change of the deployment a moment later, and it costs no query of a workflow of Temporal's own.
 */
async function readRouting(client: Client): Promise<Routing> {
  const { namespace } = client.options;
  const ask = () => client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } });
  const { versioningInfo } = await client.withDeadline(Date.now() + limits.buildLookMsMax, ask);
  const current = versioningInfo?.currentDeploymentVersion;
  if (!current?.deploymentName || !current.buildId) return { kind: 'unversioned' };
  return { kind: 'current', build: { deploymentName: current.deploymentName, buildId: current.buildId } };
}
