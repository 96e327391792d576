import { findPlace } from '../db/place.ts';
import { findJob, type JobView } from '../db/read-jobs.ts';
import type { OwnedJob } from '../domain/job.ts';
import type { DatabaseWait } from './database-wait.ts';
import type { AppDeps } from './deps.ts';
import { videoNotFound } from './job-path.ts';
import type { LineViews } from './line-views.ts';
import type { QueueContext } from './queue-object.ts';
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
  readonly lines: LineViews;
}

/** Reads a job as its owner sees it. Only one that waits, or is about to start, has a place. */
export async function findVideo(deps: FindVideoDeps, query: JobQuery): Promise<VideoObject> {
  const job = await findOwnJob(deps, query);
  const isToStart = job.phase === 'queued' || job.isWaiting;
  const queue = isToStart ? await findQueue(deps, { ...query, pool: job.route[0]?.pool ?? '' }) : {};
  return videoObject(job, { ...queue, servedBySimulator: deps.servedBySimulator ?? false });
}

/** @param query with the pool that the job begins in, for one that has left the line already */
async function findQueue(
  { pool, spendCap, lines }: FindVideoDeps,
  query: JobQuery & { readonly pool: string },
): Promise<QueueContext> {
  const { owned, wait } = query;
  const [place, leftUsdMicros] = await Promise.all([
    wait.answered(findPlace(pool, owned.id)),
    wait.answered(spendCap.leftUsdMicros()),
  ]);
  const line = await wait.answered(lines.read(place?.pool ?? query.pool));
  return { place, line, isOverBudget: place !== undefined && isOver(leftUsdMicros, place.priceUsdMicros) };
}
