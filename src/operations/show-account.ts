import type { Client } from '@temporalio/client';
import { findJobAccount, type JobAccount } from '../db/stuck/job-account.ts';
import type { Database } from '../db/pool.ts';
import { findStuckJobs, type StuckJob } from '../db/stuck/stuck-jobs.ts';
import type { JobId } from '../domain/job.ts';
import type { StuckCause } from '../domain/stuck.ts';
import { adviceOf, type StuckAdvice } from '../domain/stuck-advice.ts';
import { viewWorkflow, type WorkflowView } from './workflow-view.ts';

export interface AccountDeps {
  readonly db: Database;
  /** May connect when it is asked for the first time. */
  readonly temporal: () => Promise<Client>;
  readonly stuckAfterMs: number;
}

/** One job as an operator sees it: the same by the command line and by the admin API. Nothing that its owner has written. */
export interface ShownJob extends JobAccount {
  readonly stuck: ShownStuck | null;
  readonly workflow: WorkflowView;
}

export interface ShownStuck extends StuckAdvice {
  readonly cause: StuckCause;
  readonly since: string;
  readonly attempt: number | null;
}

/** Undefined: there is no such job. */
export async function showAccount(deps: AccountDeps, jobId: JobId): Promise<ShownJob | undefined> {
  const { db, temporal, stuckAfterMs } = deps;
  const account = await findJobAccount(db, jobId);
  if (account === undefined) return undefined;
  const [[stuck], workflow] = await Promise.all([
    findStuckJobs(db, { jobId, stuckAfterMs, limit: 1 }),
    viewWorkflow(temporal, jobId),
  ]);
  return { ...account, stuck: stuck === undefined ? null : shownStuckOf(stuck), workflow };
}

/** A stuck job in words, with what to do about it. */
export function shownStuckOf(job: StuckJob): ShownStuck {
  const { cause, since, attempt } = job.stuck;
  return { cause, since: new Date(since).toISOString(), attempt: attempt ?? null, ...adviceOf(job.stuck, job) };
}
