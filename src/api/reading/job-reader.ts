import { findOwnJobs } from '../../db/jobs/list-jobs.ts';
import { findPlaces, type WaitingPlace } from '../../db/scheduler/place.ts';
import type { Database } from '../../db/pool.ts';
import type { JobView } from '../../db/jobs/read-jobs.ts';
import type { JobId, OwnedJob } from '../../domain/job.ts';
import { type BatchReader, createBatchReader } from './batch-reader.ts';

export type JobReader = BatchReader<OwnedJob, JobView>;

export function createJobReader(pool: Database): JobReader {
  const keyOf = ({ tenant, id }: OwnedJob): string => `${tenant} ${id}`;
  return createBatchReader<OwnedJob, JobView>({
    keyOf,
    readMany: async (owned) => new Map((await findOwnJobs(pool, owned)).map((job) => [keyOf(job), job])),
  });
}

export type PlaceReader = BatchReader<JobId, WaitingPlace>;

export function createPlaceReader(pool: Database): PlaceReader {
  return createBatchReader<JobId, WaitingPlace>({
    keyOf: (id) => id,
    readMany: async (ids) => new Map((await findPlaces(pool, ids)).map((place) => [place.job, place])),
  });
}
