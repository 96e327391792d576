import { findStandingJobs, insertJobs, type InsertedJob, type NewJob, type StandingJob } from '../db/accept.ts';
import type { Database } from '../db/pool.ts';
import { limits } from '../domain/limits.ts';
import {
  BacklogFullError,
  type Batcher,
  BatchUnansweredError,
  createBatcher,
  UnwritableItemError,
} from './accept-batcher.ts';
import { databaseWaitMsMax, isFaultOfRow, within } from './database-wait.ts';
import { Problem, temporaryProblem } from './problem.ts';

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly acceptedAt: number }
  | { readonly kind: 'replayed'; readonly standing: StandingJob }
  | { readonly kind: 'mismatch' };

export type Acceptor = Batcher<NewJob, AcceptOutcome>;

const flightsMax = 2;
/** Milliseconds for one try, so that a silent database leaves time for another. */
const tryMsMax = 1_200;

/** Accepts jobs in batches. What `submit` rejects with is a problem to answer with. */
export function createAcceptor(pool: Database, onBatch: (size: number) => void): Acceptor {
  const batcher = createBatcher<NewJob, AcceptOutcome>({
    write: (jobs) => within(acceptBatch(pool, jobs), tryMsMax),
    isFaultOfItem: isFaultOfRow,
    batchMax: limits.acceptBatchJobsMax,
    backlogMax: limits.acceptBacklogJobsMax,
    flightsMax,
    triesMax: limits.acceptTriesMax,
    waitMsMax: databaseWaitMsMax,
    onBatch,
  });
  return { ...batcher, submit: (job) => batcher.submit(job).catch(throwProblem) };
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
  return standing.fingerprint === job.idempotency?.fingerprint ? { kind: 'replayed', standing } : { kind: 'mismatch' };
}

function throwProblem(error: unknown): never {
  if (error instanceof BacklogFullError) throw temporaryProblem('overloaded', error);
  if (error instanceof BatchUnansweredError) throw temporaryProblem('database_unavailable', error.cause ?? error);
  if (error instanceof UnwritableItemError) {
    throw new Problem('invalid_request', {
      detail: 'The request holds something that can not be stored.',
      cause: error,
    });
  }
  throw error;
}
