import type { Request } from 'express';
import { isJobId, type OwnedJob } from '../domain/job.ts';
import { callerOf } from './auth/caller.ts';
import { fieldProblem, Problem } from './problems/problem.ts';

/** The job that a path names. It may not exist, but its id is one. */
export function ownedJobOf(request: Request<{ id: string }>): OwnedJob {
  const { id } = request.params;
  if (!isJobId(id))
    throw fieldProblem('invalid_id', '/id', 'The id in the path has to be `video_` and a UUID of version 7.');
  const { tenant, jobId } = callerOf(request);
  // A client token speaks for one job, whatever else its tenant has.
  if (jobId !== null && jobId !== id) throw videoNotFound();
  return { id, tenant };
}

export function videoNotFound(): Problem {
  return new Problem('video_not_found');
}
