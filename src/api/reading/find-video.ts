import { findJob, type JobView } from '../../db/jobs/read-jobs.ts';
import type { JobId, OwnedJob } from '../../domain/job.ts';
import type { DatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { videoNotFound } from '../job-path.ts';
import type { JobReader, PlaceReader } from './job-reader.ts';
import type { LineViews } from './line-views.ts';
import type { QueueContext } from './queue-object.ts';
import { isOver, type SpendCap } from '../accept/spend-cap.ts';
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
  readonly jobs: JobReader;
  readonly places: PlaceReader;
  readonly spendCap: SpendCap;
  readonly lines: LineViews;
}

/** Reads a job as its owner sees it. */
export async function findVideo(deps: FindVideoDeps, { owned, wait }: JobQuery): Promise<VideoObject> {
  const job = await wait.answered(deps.jobs.read(owned));
  if (job === undefined) throw videoNotFound();
  return await videoOf(deps, job, wait);
}

/** A job that was read, as its owner sees it. Only one that waits, or is about to start, has a place. */
export async function videoOf(deps: FindVideoDeps, job: JobView, wait: DatabaseWait): Promise<VideoObject> {
  const queue = isToStart(job) ? await findQueue(deps, { id: job.id, wait, pool: job.route[0]?.pool ?? '' }) : {};
  return videoObject(job, { ...queue, servedBySimulator: deps.servedBySimulator ?? false });
}

/** Its place costs a few statements of its own. */
export function isToStart(job: JobView): boolean {
  return job.phase === 'queued' || job.isWaiting;
}

interface PlaceQuery {
  readonly id: JobId;
  readonly wait: DatabaseWait;
  /** That the job begins in, for one that has left the line already. */
  readonly pool: string;
}

async function findQueue({ places, spendCap, lines }: FindVideoDeps, query: PlaceQuery): Promise<QueueContext> {
  const { id, wait } = query;
  const [place, leftUsdMicros] = await Promise.all([
    wait.answered(places.read(id)),
    wait.answered(spendCap.leftUsdMicros()),
  ]);
  const line = await wait.answered(lines.read(place?.pool ?? query.pool));
  const isOverBudget = place !== undefined && (place.isOverBudget || isOver(leftUsdMicros, place.priceUsdMicros));
  return { place, line, isOverBudget };
}
