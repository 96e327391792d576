import {
  type AskedJob,
  type BudgetRefusal,
  findStandingJobs,
  type InsertAnswer,
  insertJobs,
  type NewJob,
  type StandingJob,
} from '../../db/jobs/accept.ts';
import type { Database } from '../../db/pool.ts';
import { foldSpendingRefunds } from '../../db/scheduler/spending.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type Batcher, createBatcher } from './accept-batcher.ts';
import { acceptPace } from './accept-pace.ts';
import { within } from '../database-wait.ts';

/** What became of an earlier request with the same key. */
export type Replay = { readonly kind: 'replayed'; readonly standing: StandingJob } | { readonly kind: 'mismatch' };

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly acceptedAt: number }
  /** The tenant's budgets have no room for it. Nothing was written, and its key is as new as before. */
  | { readonly kind: 'refused'; readonly refusal: BudgetRefusal }
  | Replay;

/** A job as it is to be accepted. */
export interface AskedToAccept extends NewJob {
  /** Its tenant has a budget, as far as its caller knows. */
  readonly hasBudget?: boolean;
}

export type Acceptor = Batcher<AskedToAccept, AcceptOutcome>;

/**
 * Accepts jobs in batches. Those of tenants with a budget have batches of their own: these wait for the locks of budgets,
 * which is nobody else's to wait for.
 */
export function createAcceptor(pool: Database, onBatch: (size: number) => void): Acceptor {
  const insert = createInsert(pool);
  const budgeted = createBatches({ pool, insert, onBatch });
  const others = createBatches({ pool, insert, onBatch });
  return {
    submit: ({ hasBudget = false, ...job }, waitMs) => (hasBudget ? budgeted : others).submit(job, waitMs),
    async drain() {
      await Promise.all([budgeted.drain(), others.drain()]);
    },
  };
}

interface Batches {
  readonly pool: Database;
  readonly insert: Insert;
  readonly onBatch: (size: number) => void;
}

function createBatches({ pool, insert, onBatch }: Batches): Batcher<NewJob, AcceptOutcome> {
  return createBatcher<NewJob, AcceptOutcome>({
    write: (jobs) => within(acceptBatch(pool, insert, jobs), limits.acceptTryMsMax),
    ...acceptPace,
    onBatch,
  });
}

type Insert = (jobs: readonly NewJob[]) => Promise<ReadonlyMap<string, InsertAnswer>>;

/**
 * Before a budget refuses anybody, what has come back to it counts: it is folded in by the workers once a second, and by
 * this process as often, for where there is no worker. That of those who are refused, and of nobody else.
 */
function createInsert(pool: Database): Insert {
  const foldedAt = new Map<string, number>();
  return async (jobs) => {
    const answers = new Map((await insertJobs(pool, jobs)).map((answer) => [answer.id, answer]));
    const refused = jobs.filter(({ id, tenant }) => {
      const isStale = performance.now() - (foldedAt.get(tenant) ?? -Infinity) >= limits.foldRefundsEveryMs;
      return isStale && answers.get(id)?.refusal?.kind === 'over_budget';
    });
    if (refused.length === 0 || !(await fold(new Set(refused.map(({ tenant }) => tenant))))) return answers;
    for (const answer of await insertJobs(pool, refused)) answers.set(answer.id, answer);
    return answers;
  };

  /** False: it could not be done, so the refusals stand as they are. */
  async function fold(tenants: ReadonlySet<string>): Promise<boolean> {
    if (foldedAt.size >= limits.foldedTenantsMax) foldedAt.clear();
    for (const tenant of tenants) foldedAt.set(tenant, performance.now());
    return await foldSpendingRefunds(pool, [...tenants]).then(
      () => true,
      () => false,
    );
  }
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
