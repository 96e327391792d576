import { findJob, findPlaceInLine, type JobView } from '../db/read-jobs.ts';
import type { OwnedJob } from '../domain/job.ts';
import type { DatabaseWait } from './database-wait.ts';
import type { AppDeps } from './deps.ts';
import { videoNotFound } from './job-path.ts';
import { isOver, type SpendCap } from './spend-cap.ts';
import { type VideoObject, videoObject } from './video-object.ts';

/** A job of a tenant, asked for by one request. */
export interface JobQuery {
  readonly owned: OwnedJob;
  readonly wait: DatabaseWait;
}

/** Reads a job of a tenant, or answers that there is none. */
export async function findOwnJob({ pool }: Pick<AppDeps, 'pool'>, { owned, wait }: JobQuery): Promise<JobView> {
  const job = await wait.answered(findJob(pool, owned));
  if (job === undefined) throw videoNotFound();
  return job;
}

export interface FindVideoDeps extends Pick<AppDeps, 'pool' | 'servedBySimulator'> {
  readonly spendCap: SpendCap;
}

/** Reads a job as its owner sees it. Only one that waits has a place, and only that is counted. */
export async function findVideo(deps: FindVideoDeps, query: JobQuery): Promise<VideoObject> {
  const job = await findOwnJob(deps, query);
  const waiting = job.phase === 'queued' ? await findWaiting(deps, query) : undefined;
  return videoObject(job, { ...waiting, servedBySimulator: deps.servedBySimulator ?? false });
}

async function findWaiting({ pool, spendCap }: FindVideoDeps, { owned, wait }: JobQuery) {
  const [place, leftUsdMicros] = await Promise.all([
    wait.answered(findPlaceInLine(pool, owned.id)),
    wait.answered(spendCap.leftUsdMicros()),
  ]);
  return { place, isOverBudget: place !== undefined && isOver(leftUsdMicros, place.priceUsdMicros) };
}
