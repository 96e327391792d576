import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { generateVideoType } from '../contracts/generate-video.ts';
import { readWatermark } from '../db/ledger/reconcile.ts';
import { findJobsToAdopt } from '../db/ledger/restore.ts';
import { isFenced } from '../db/ledger/restore-fence.ts';
import { readPrunedBefore } from '../db/retention/pruned-before.ts';
import type { Database } from '../db/pool.ts';
import { isJobId, type JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';

/** The database was put back to a moment before what Temporal remembers. */
class PutBackError extends Error {
  override name = 'PutBackError';
}

/** Temporal's visibility is away. */
class UnreadListError extends Error {
  override name = 'UnreadListError';
}

export interface CompareSettings {
  readonly db: Database;
  readonly daysKept: number;
  readonly onUnread: (error: Error) => void;
  /** Absent: a minute. */
  readonly patienceMs?: number;
}

/** When `ops after-restore` was last done with. */
export const restoredMark = 'restored';

const listTimeoutMs = 20_000;
const compareForMs = 60_000;
const compareEveryMs = 1_000;

/**
 * Throws where Temporal has gone further than the database: a workflow runs whose job was never dispatched, or has completed
 * while its job is open. Neither can be otherwise: a start follows the COMMIT of its dispatch, and a workflow ends after its
 * job. To grant and to send on top of that would pay twice, so no worker starts. Reads the newest of either kind; what was
 * started before the last `after-restore` has been dealt with. A list that can't be read proves nothing either way: who waited
 * for it would have a worker depend on Temporal's visibility, so that is told to `onUnread`.
 * One that is being mended is refused whatever the list says.
 */
export async function refusePutBack(client: Client, settings: CompareSettings): Promise<void> {
  const giveUpAt = Date.now() + (settings.patienceMs ?? compareForMs);
  for (;;) {
    try {
      return await compare(client, settings);
    } catch (error) {
      // Either may be a moment behind at boot.
      if (error instanceof PutBackError) throw error;
      if (Date.now() >= giveUpAt) {
        if (error instanceof UnreadListError) return settings.onUnread(error);
        throw error;
      }
      await delay(compareEveryMs);
    }
  }
}

/** Throws while a restored database is being mended, or its mend was not whole: for whoever grants, sends or takes cancels. */
export async function refuseMending(db: Database): Promise<void> {
  if (!(await isFenced(db))) return;
  throw new PutBackError(
    'The database was restored, and what Temporal and the vendors know is not all in it yet. Wait until `npm run ops -- after-restore` ' +
      'says that workers may start; was it interrupted, run it again (docs/restore.md).',
  );
}

async function compare(client: Client, { db, daysKept }: CompareSettings): Promise<void> {
  await refuseMending(db);
  const since = await sinceWhen(db, daysKept);
  for (const status of ['Running', 'Completed'] as const) {
    // Temporal first: what the database says afterwards is newer.
    const ids = await newest(client, status, since);
    const jobs = new Map((await findJobsToAdopt(db, ids)).map((job) => [job.id, job]));
    const prunedBefore = await readPrunedBefore(db);
    refuseAhead(ids, (id) => {
      const job = jobs.get(id);
      if (status === 'Running') return job?.isDispatched !== true;
      return job === undefined ? id >= prunedBefore : !job.isFinal;
    });
  }
}

function refuseAhead(ids: readonly JobId[], isAhead: (id: JobId) => boolean): void {
  const ahead = ids.filter(isAhead);
  if (ahead.length === 0) return;
  throw new PutBackError(
    `Temporal is ahead of the database, by workflow ${ahead[0]} and ${ahead.length - 1} more of ${ids.length}: ` +
      'DATABASE_URL and TEMPORAL_NAMESPACE are of two deployments, or the database was restored to an earlier moment. ' +
      'Look at the first before anything else. After a restore run `npm run ops -- after-restore --dry-run` before any worker ' +
      '(docs/restore.md).',
  );
}

async function sinceWhen(db: Database, daysKept: number): Promise<Date> {
  const restored = await readWatermark(db, restoredMark);
  // Of what is older the job may have been pruned.
  const kept = new Date(Date.now() - (daysKept - 1) * 86_400_000);
  return restored !== undefined && restored > kept ? restored : kept;
}

async function newest(client: Client, status: 'Running' | 'Completed', since: Date): Promise<readonly JobId[]> {
  const query = `WorkflowType = '${generateVideoType}' AND ExecutionStatus = '${status}' AND StartTime > '${since.toISOString()}'`;
  const ids: JobId[] = [];
  const read = client.withDeadline(Date.now() + listTimeoutMs, async () => {
    for await (const { workflowId } of client.workflow.list({ query, pageSize: limits.putBackLookMax })) {
      if (isJobId(workflowId)) ids.push(workflowId);
      if (ids.length >= limits.putBackLookMax) return;
    }
  });
  await read.catch((cause: unknown) => {
    throw new UnreadListError(`Temporal's list of workflows can't be read, so nobody knows whether it is ahead.`, {
      cause,
    });
  });
  return ids;
}

/** All that may have gone on after the backup: workflows that run, and those that have closed since. */
export async function* listAhead(client: Client, since: Date): AsyncIterable<WorkflowExecutionInfo> {
  const seen = new Set<string>();
  const closed = `ExecutionStatus != 'Running' AND CloseTime > '${since.toISOString()}'`;
  for (const which of [`ExecutionStatus = 'Running'`, closed]) {
    const query = `WorkflowType = '${generateVideoType}' AND ${which}`;
    for await (const workflow of client.workflow.list({ query, pageSize: 500 })) {
      // One that we have ended meanwhile is in both lists, and one that was reset has several runs.
      if (seen.has(workflow.workflowId)) continue;
      seen.add(workflow.workflowId);
      yield workflow;
    }
  }
}
