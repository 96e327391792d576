import {
  type AskedJob,
  findStandingJobs,
  insertJobs,
  type InsertedJob,
  type NewJob,
  type StandingJob,
} from '../db/accept.ts';
import type { Database } from '../db/pool.ts';
import { limits } from '../domain/limits.ts';
import { type Batcher, createBatcher } from './accept-batcher.ts';
import { isFaultOfRow, within } from './database-wait.ts';

/** What became of an earlier request with the same key. */
export type Replay = { readonly kind: 'replayed'; readonly standing: StandingJob } | { readonly kind: 'mismatch' };

export type AcceptOutcome = { readonly kind: 'accepted'; readonly acceptedAt: number } | Replay;

export type Acceptor = Batcher<NewJob, AcceptOutcome>;

/** Accepts jobs in batches. */
export function createAcceptor(pool: Database, onBatch: (size: number) => void): Acceptor {
  return createBatcher<NewJob, AcceptOutcome>({
    write: (jobs) => within(acceptBatch(pool, jobs), limits.acceptTryMsMax),
    isFaultOfItem: isFaultOfRow,
    batchMax: limits.acceptBatchJobsMax,
    backlogMax: limits.acceptBacklogJobsMax,
    flightsMax: limits.acceptFlightsMax,
    everyMs: limits.acceptEveryMs,
    triesMax: limits.acceptTriesMax,
    waitMsMax: limits.databaseWaitMsMax,
    onBatch,
  });
}

/** One batch in two statements: what the first did not insert exists already, and the second says as what. */
async function acceptBatch(pool: Database, jobs: readonly NewJob[]): Promise<readonly AcceptOutcome[]> {
  const inserted = new Map((await insertJobs(pool, jobs)).map((job) => [job.id, job]));
  const rest = jobs.filter(({ id }) => !inserted.has(id));
  const found = rest.length > 0 ? await findStandingJobs(pool, rest) : [];
  const standing = new Map(found.map((job) => [job.askedId, job]));
  return jobs.map((job) => outcomeOf(job, inserted.get(job.id), standing.get(job.id)));
}

function outcomeOf(job: NewJob, inserted: InsertedJob | undefined, standing: StandingJob | undefined): AcceptOutcome {
  if (inserted) return { kind: 'accepted', acceptedAt: inserted.acceptedAt };
  // Its key was there a moment ago and has expired since: another try will take it.
  if (standing === undefined) throw new Error('neither inserted nor found');
  // Our own earlier try, which was committed although nobody told us.
  if (standing.id === job.id) return { kind: 'accepted', acceptedAt: standing.acceptedAt };
  return replayOf(job, standing);
}

/** Looks a key up for a request that is to be refused. Undefined: its key is new. */
export async function findReplay(pool: Database, asked: AskedJob): Promise<Replay | undefined> {
  const [standing] = await findStandingJobs(pool, [asked]);
  return standing && replayOf(asked, standing);
}

function replayOf(asked: AskedJob, standing: StandingJob): Replay {
  return standing.fingerprint === asked.idempotency?.fingerprint
    ? { kind: 'replayed', standing }
    : { kind: 'mismatch' };
}
