import type { Request } from 'express';
import { isJobId, type OwnedJob } from '../domain/job.ts';
import { onlyTenant } from './deps.ts';
import { fieldProblem, Problem } from './problem.ts';

/** The job that a path names. It may not exist, but its id is one. */
export function ownedJobOf(request: Request<{ id: string }>): OwnedJob {
  const { id } = request.params;
  if (!isJobId(id))
    throw fieldProblem('invalid_id', '/id', 'The id in the path has to be `video_` and a UUID of version 7.');
  return { id, tenant: onlyTenant };
}

export function videoNotFound(): Problem {
  return new Problem('video_not_found');
}
