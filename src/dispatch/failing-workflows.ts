import { type Client, ServiceError } from '@temporalio/client';
import { generateVideoType } from '../contracts/generate-video.ts';
import { noteFailingWorkflows } from '../db/stuck/failing-workflows.ts';
import type { Database } from '../db/pool.ts';
import { isJobId, type JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';

export interface FailingDeps {
  readonly pool: Database;
  readonly client: Client;
}

/** Temporal sets the attribute once a workflow's tasks have failed several times in a row, and clears it with the first success. */
const attribute = 'TemporalReportedProblems';
const query = `${attribute} IS NOT NULL AND WorkflowType = '${generateVideoType}' AND ExecutionStatus = 'Running'`;

/** Notes whose workflow fails its tasks now. A server that does not know the attribute reports nobody. */
export async function followFailingWorkflows({ pool, client }: FailingDeps): Promise<void> {
  const failing = await client.withDeadline(Date.now() + limits.failingWorkflowsMsMax, () => list(client));
  await noteFailingWorkflows(pool, failing, failing.length >= limits.failingWorkflowsMax);
}

async function list(client: Client): Promise<readonly JobId[]> {
  const ids = new Set<JobId>();
  try {
    for await (const { workflowId } of client.workflow.list({ query })) {
      if (isJobId(workflowId)) ids.add(workflowId);
      if (ids.size >= limits.failingWorkflowsMax) break;
    }
  } catch (error) {
    if (!isUnknownAttribute(error)) throw error;
  }
  return [...ids];
}

/** `INVALID_ARGUMENT` of gRPC. */
const invalidArgument = 3;

/** The server names it. What else it may find wrong with the question says nothing of any workflow. */
function isUnknownAttribute(error: unknown): boolean {
  const cause: unknown = error instanceof ServiceError ? error.cause : error;
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== invalidArgument) return false;
  return /search attribute/i.test(cause.message) && cause.message.includes(attribute);
}
