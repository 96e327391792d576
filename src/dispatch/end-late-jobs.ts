import type { JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';

/** A kind of jobs whose time is over: which they are, and how they are ended. */
export interface LateKind {
  readonly find: (which: Which) => Promise<readonly JobId[]>;
  /** All or none of them. */
  readonly end: (which: Which) => Promise<readonly JobId[]>;
}

interface Which {
  readonly count: number;
  /** That could not be ended. */
  readonly except: readonly JobId[];
}

export interface LateJobsEnded {
  readonly ended: readonly JobId[];
  readonly stuck: readonly { readonly jobId: JobId; readonly error: unknown }[];
}

/**
 * Ends a batch of late jobs in one statement, and one after the other where the database refuses that: a job that can't be
 * ended, because something of it is wrong, is in nobody else's way.
 */
export async function endLateJobs(kind: LateKind, count: number): Promise<LateJobsEnded> {
  try {
    return { ended: await kind.end({ count, except: [] }), stuck: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await endOneByOne(kind, count);
  }
}

async function endOneByOne({ find, end }: LateKind, count: number): Promise<LateJobsEnded> {
  const ended: JobId[] = [];
  const stuck: { readonly jobId: JobId; readonly error: unknown }[] = [];
  while (ended.length < count && stuck.length < limits.sweepStuckMax) {
    const except = [...ended, ...stuck.map(({ jobId }) => jobId)];
    const [jobId] = await find({ count: 1, except });
    if (jobId === undefined) break;
    try {
      const done = await end({ count: 1, except });
      // None: somebody else has ended it meanwhile.
      ended.push(...(done.length > 0 ? done : [jobId]));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      stuck.push({ jobId, error });
    }
  }
  return { ended, stuck };
}

/** Postgres' word against the statement. A database that is away says nothing of any job. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'severity' in error;
}
