import { findOwnJobs } from '../db/list-jobs.ts';
import type { Database } from '../db/pool.ts';
import type { JobView } from '../db/read-jobs.ts';
import type { OwnedJob } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';

/** Reads single jobs, those of many requests in one statement. */
export interface JobReader {
  /** Undefined: the tenant has no such job. Never older than the call. */
  read(owned: OwnedJob): Promise<JobView | undefined>;
}

interface Asked {
  readonly owned: OwnedJob;
  readonly resolve: (job: JobView | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A request that comes alone is read at once. Those that come while statements are under way wait for one of them to end,
 * and are read together: the more there is to do, the less each costs.
 */
export function createJobReader(pool: Database): JobReader {
  const waiting: Asked[] = [];
  let flights = 0;
  let isDue = false;

  return {
    read: (owned) =>
      new Promise((resolve, reject) => {
        waiting.push({ owned, resolve, reject });
        depart();
      }),
  };

  /** In the next turn of the loop, so that what arrived in this one goes along. */
  function depart(): void {
    if (isDue || waiting.length === 0 || flights >= limits.jobReadFlightsMax) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      flights += 1;
      void fly(waiting.splice(0, limits.jobsReadMax)).finally(() => {
        flights -= 1;
        depart();
      });
      depart();
    });
  }

  async function fly(asked: readonly Asked[]): Promise<void> {
    try {
      const found = new Map((await findOwnJobs(pool, owned(asked))).map((job) => [`${job.tenant} ${job.id}`, job]));
      for (const { owned, resolve } of asked) resolve(found.get(`${owned.tenant} ${owned.id}`));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

/** Each job once, however many ask for it. */
function owned(asked: readonly Asked[]): readonly OwnedJob[] {
  return [...new Map(asked.map(({ owned }) => [`${owned.tenant} ${owned.id}`, owned])).values()];
}
