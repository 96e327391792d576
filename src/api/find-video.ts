import type { OwnedJob } from '../db/cancel.ts';
import { findJob, findPlaceInLine, type JobView } from '../db/read-jobs.ts';
import { answered } from './database-wait.ts';
import type { AppDeps } from './deps.ts';
import { videoNotFound } from './job-path.ts';
import { type VideoObject, videoObject } from './video-object.ts';

/** Reads a job of a tenant, or answers that there is none. */
export async function findOwnJob({ pool }: Pick<AppDeps, 'pool'>, owned: OwnedJob): Promise<JobView> {
  const job = await answered(findJob(pool, owned));
  if (job === undefined) throw videoNotFound();
  return job;
}

/** Reads a job as its owner sees it. Only one that waits has a place, and only that is counted. */
export async function findVideo(deps: AppDeps, owned: OwnedJob): Promise<VideoObject> {
  const job = await findOwnJob(deps, owned);
  const place = job.phase === 'queued' ? await answered(findPlaceInLine(deps.pool, job.id)) : undefined;
  return videoObject(job, { place, servedBySimulator: deps.servedBySimulator ?? false });
}
