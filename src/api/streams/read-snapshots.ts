import { findJobs } from '../../db/jobs/list-jobs.ts';
import type { JobId } from '../../domain/job.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { digestOf } from '../reading/entity-tag.ts';
import { type FindVideoDeps, isToStart, videoOf } from '../reading/find-video.ts';
import type { ReadSnapshot, Snapshot } from './snapshots.ts';

/** Jobs as `findVideo` reads them, many at once. */
export function createSnapshotReader(deps: FindVideoDeps): ReadSnapshot {
  return async (ids, placesMax) => {
    const wait = beginDatabaseWait();
    const jobs = await wait.answered(findJobs(deps.pool, ids));
    const inLine = jobs.filter(isToStart);
    const later = new Set(inLine.slice(placesMax).map(({ id }) => id));
    const found = new Map<JobId, Snapshot>();
    const read = jobs.filter(({ id }) => !later.has(id));
    await Promise.all(
      read.map(async (job) => {
        const video = await videoOf(deps, job, wait);
        found.set(job.id, { video, digest: digestOf(JSON.stringify(video)), eventSeq: job.eventSeq });
      }),
    );
    return { found, later };
  };
}
