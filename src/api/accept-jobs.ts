import {
  type AskedJob,
  type BudgetRefusal,
  findStandingJobs,
  type InsertAnswer,
  insertJobs,
  type NewJob,
  type StandingJob,
} from '../db/accept.ts';
import type { Database } from '../db/pool.ts';
import { foldSpendingRefunds } from '../db/spending.ts';
import { limits } from '../domain/limits.ts';
import { type Batcher, createBatcher } from './accept-batcher.ts';
import { isFaultOfRow, within } from './database-wait.ts';

/** What became of an earlier request with the same key. */
export type Replay = { readonly kind: 'replayed'; readonly standing: StandingJob } | { readonly kind: 'mismatch' };

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly acceptedAt: number }
  /** The tenant's budgets have no room for it. Nothing was written, and its key is as new as before. */
  | { readonly kind: 'refused'; readonly refusal: BudgetRefusal }
  | Replay;

export type Acceptor = Batcher<NewJob, AcceptOutcome>;

/** Accepts jobs in batches. */
export function createAcceptor(pool: Database, onBatch: (size: number) => void): Acceptor {
  const insert = createInsert(pool);
  return createBatcher<NewJob, AcceptOutcome>({
    write: (jobs) => within(acceptBatch(pool, insert, jobs), limits.acceptTryMsMax),
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

type Insert = (jobs: readonly NewJob[]) => Promise<ReadonlyMap<string, InsertAnswer>>;

/**
 * Before a budget refuses anybody, what has come back to it counts: it is folded in by the workers once a second, and by
 * this process as often, for where there is no worker.
 */
function createInsert(pool: Database): Insert {
  let foldedAt = Number.NEGATIVE_INFINITY;
  return async (jobs) => {
    const answers = new Map((await insertJobs(pool, jobs)).map((answer) => [answer.id, answer]));
    const refused = jobs.filter(({ id }) => answers.get(id)?.refusal?.kind === 'over_budget');
    if (refused.length === 0 || performance.now() - foldedAt < limits.foldRefundsEveryMs) return answers;
    foldedAt = performance.now();
    await foldSpendingRefunds(pool);
    for (const answer of await insertJobs(pool, refused)) answers.set(answer.id, answer);
    return answers;
  };
}

/** One batch in two statements: what the first did not insert exists already, and the second says as what. */
async function acceptBatch(pool: Database, insert: Insert, jobs: readonly NewJob[]): Promise<readonly AcceptOutcome[]> {
  const answers = await insert(jobs);
  const rest = jobs.filter(({ id }) => typeof answers.get(id)?.acceptedAt !== 'number');
  const found = rest.length > 0 ? await findStandingJobs(pool, rest) : [];
  const standing = new Map(found.map((job) => [job.askedId, job]));
  return jobs.map((job) => outcomeOf(job, answers.get(job.id), standing.get(job.id)));
}

function outcomeOf(job: NewJob, answer: InsertAnswer | undefined, standing: StandingJob | undefined): AcceptOutcome {
  if (answer?.refusal === null) return { kind: 'accepted', acceptedAt: answer.acceptedAt };
  // Whoever has the key is in already, whatever became of the budget since.
  if (standing === undefined && answer !== undefined) return { kind: 'refused', refusal: answer.refusal };
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
  // Of a job that was deleted no fingerprint is left to compare with.
  if (standing.isErased) return { kind: 'replayed', standing };
  return standing.fingerprint === asked.idempotency?.fingerprint
    ? { kind: 'replayed', standing }
    : { kind: 'mismatch' };
}
