import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { Database } from '../db/pool.ts';
import { readWatermark } from '../db/ledger/reconcile.ts';
import { findJobsToAdopt, type JobToAdopt } from '../db/ledger/restore.ts';
import { isJobId, type JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';
import { listAhead } from './put-back.ts';

/** A workflow that may have gone on after the backup, with its job if the database has it. */
export interface Ahead {
  readonly id: JobId;
  readonly status: WorkflowExecutionInfo['status'];
  readonly job: JobToAdopt | undefined;
}

export interface AheadDeps {
  readonly db: Database;
  readonly client: Client;
}

/** All of them, so many at once as are compared side by side. */
export async function* pagesAhead({ db, client }: AheadDeps): AsyncIterable<readonly Ahead[]> {
  const marked = (await readWatermark(db, 'closed_workflows')) ?? new Date(Date.now() - unmarkedMs);
  const since = new Date(marked.getTime() - limits.restoreSlackMs);
  for await (const page of pagesOf(listAhead(client, since))) {
    const ids = page.map(({ id }) => id);
    const jobs = new Map((await findJobsToAdopt(db, ids)).map((job) => [job.id, job]));
    yield page.map((workflow) => ({ ...workflow, job: jobs.get(workflow.id) }));
  }
}

/** A database that has compared nothing yet is looked at a week back. */
const unmarkedMs = 7 * 86_400_000;

/** How much of what Temporal remembers the database has never heard of. */
export interface Survey {
  readonly compared: number;
  readonly lost: number;
  /** Of these, workflows that run, and would be terminated. */
  readonly running: number;
}

/** Reads no history and changes nothing: to be asked before anything is ended. */
export async function surveyLost(deps: AheadDeps): Promise<Survey> {
  let survey: Survey = { compared: 0, lost: 0, running: 0 };
  for await (const page of pagesAhead(deps)) {
    const lost = page.filter(({ job }) => job === undefined);
    survey = {
      compared: survey.compared + page.length,
      lost: survey.lost + lost.length,
      running: survey.running + lost.filter(({ status }) => status.name === 'RUNNING').length,
    };
  }
  return survey;
}

async function* pagesOf(
  workflows: AsyncIterable<WorkflowExecutionInfo>,
): AsyncIterable<readonly Pick<Ahead, 'id' | 'status'>[]> {
  let page: Pick<Ahead, 'id' | 'status'>[] = [];
  for await (const { workflowId, status } of workflows) {
    if (!isJobId(workflowId)) continue;
    page.push({ id: workflowId, status });
    if (page.length < limits.historiesReadAtOnceMax) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
