import { type Client, type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { noteOrphan } from '../db/retention/orphans.ts';
import type { JobId } from '../domain/job.ts';
import { type AttemptStory, targetOf } from '../domain/story.ts';
import { type FindDeps, findOperation } from './find-operation.ts';
import { type RememberedJob, wasSent } from './remembered-job.ts';

/**
 * A job that was accepted after the backup: its request was in the database alone, so nobody can make its video. Its workflow
 * ends, since no attempt of it may begin any more, and what vendors may have made for it is noted. Returns how many.
 */
export async function noteLostJob(
  deps: FindDeps & { readonly client: Client },
  job: Pick<WorkflowExecutionInfo, 'status'> & { readonly id: JobId },
  remembered: RememberedJob,
): Promise<number> {
  let noted = 0;
  for (const attempt of remembered.story.attempts)
    if (await noteSent(deps, { jobId: job.id, remembered, attempt })) noted += 1;
  if (job.status.name === 'RUNNING') await terminate(deps.client, job.id);
  return noted;
}

export interface SentOrder {
  readonly jobId: JobId;
  readonly remembered: RememberedJob;
  readonly attempt: AttemptStory;
}

/** Notes what a vendor may have made of an attempt that no ledger has a place for. False: there is nothing to note. */
export async function noteSent(deps: FindDeps, { jobId, remembered, attempt }: SentOrder): Promise<boolean> {
  if (!wasSent(attempt) || remembered.refused.has(attempt.number)) return false;
  const target = targetOf(remembered.story, attempt);
  const submittedAtMs = remembered.submittedAt.get(attempt.number) ?? attempt.since;
  const place = { jobId, attempt: attempt.number };
  return await noteOrphan(deps.db, {
    job: jobId,
    attempt: attempt.number,
    provider: target.provider,
    targetName: target.name,
    operation:
      remembered.operations.get(attempt.number) ??
      (await findOperation(deps, { ...place, target, submittedAtMs })) ??
      null,
    foundBy: 'restore',
    said: attempt.phase,
  });
}

async function terminate(client: Client, id: string): Promise<void> {
  try {
    await client.workflow
      .getHandle(id)
      .terminate('The database was restored to a moment before this job was accepted.');
  } catch (error) {
    // It has closed meanwhile.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
