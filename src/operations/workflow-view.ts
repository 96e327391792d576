import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { limits } from '../domain/limits/limits.ts';

/** What Temporal says of a workflow. */
export interface WorkflowView {
  /** `NONE`: Temporal has no workflow of that id. `AWAY`: it did not answer in time. */
  readonly status: string;
  /** Where it was looked for. Null: nobody could be asked. */
  readonly namespace: string | null;
  readonly runId: string | null;
  readonly startedAt: string | null;
  readonly historyLength: number | null;
  /** Its search attribute; null: it has none. */
  readonly stuckCause: string | null;
  /** As `TemporalReportedProblems` has them: its tasks fail. */
  readonly problems: readonly string[];
  readonly pendingActivities: readonly PendingActivity[];
}

export interface PendingActivity {
  readonly type: string;
  readonly attempt: number;
  /** Of codes and words of ours; see activities/application-failure.ts. */
  readonly lastFailure: string | null;
}

/** Best effort, within a deadline: what Postgres knows is told all the same. */
export async function viewWorkflow(temporal: () => Promise<Client>, workflowId: string): Promise<WorkflowView> {
  let namespace: string | null = null;
  try {
    const client = await temporal();
    namespace = client.options.namespace;
    const deadline = Date.now() + limits.describeMsMax;
    const handle = client.workflow.getHandle(workflowId);
    return { ...viewOf(await client.withDeadline(deadline, () => handle.describe())), namespace };
  } catch (error) {
    return { ...nothing, namespace, status: error instanceof WorkflowNotFoundError ? 'NONE' : 'AWAY' };
  }
}

const nothing: Omit<WorkflowView, 'status' | 'namespace'> = {
  runId: null,
  startedAt: null,
  historyLength: null,
  stuckCause: null,
  problems: [],
  pendingActivities: [],
};

type Description = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>;

const failureCharsMax = 300;

function viewOf({
  status,
  runId,
  startTime,
  historyLength,
  searchAttributes,
  raw,
}: Description): Omit<WorkflowView, 'namespace'> {
  const { StuckCause: causes, TemporalReportedProblems: problems } = searchAttributes;
  return {
    status: status.name,
    runId,
    startedAt: startTime.toISOString(),
    historyLength,
    stuckCause: typeof causes?.[0] === 'string' ? causes[0] : null,
    problems: (problems ?? []).map(String),
    pendingActivities: (raw.pendingActivities ?? []).map(({ activityType, attempt, lastFailure }) => ({
      type: activityType?.name ?? '',
      attempt: attempt ?? 0,
      lastFailure: lastFailure?.message?.slice(0, failureCharsMax) ?? null,
    })),
  };
}
