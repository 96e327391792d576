import type { Request } from 'express';
import { findStandingJobs, type StandingJob } from '../../db/jobs/accept.ts';
import type { Database } from '../../db/pool.ts';
import { claimRequests, type RequestTry } from '../../db/jobs/recent-requests.ts';
import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type Batcher, createBatcher } from './accept-batcher.ts';
import { acceptPace } from './accept-pace.ts';
import { problemOfBatch } from './batch-problem.ts';
import { type DatabaseWait, within } from '../database-wait.ts';

/**
 * Some clients send a request again when its connection was cut, without a key and with the number of the retry: those
 * of OpenAI, and all that were made by the same generator. Their tries of one request get one job: its id is agreed on
 * before the job is written, so it does not matter whether the first try is done with, under way, or has yet to begin.
 */
export interface RetryInference {
  /**
   * The id of the job of a try, its own or that of an earlier one. A job that is known under an earlier one's is
   * `standing`; without one it is to be written under the id, whoever else does so at the same time.
   */
  resolve(order: TriedOrder): Promise<ResolvedTry>;
  drain(): Promise<void>;
}

export interface TriedOrder {
  readonly id: JobId;
  readonly tenant: string;
  /** Absent: the client sent a key, or does not number its tries. */
  readonly tried: Tried | undefined;
  readonly wait: DatabaseWait;
}

export type Tried = Pick<RequestTry, 'fingerprint' | 'retry' | 'receivedAt'>;

export interface ResolvedTry {
  readonly id: JobId;
  readonly standing?: StandingJob;
}

export function createRetryInference(pool: Database): RetryInference {
  const claims = createClaims(pool);
  return {
    drain: () => claims.drain(),
    async resolve({ id, tenant, tried, wait }) {
      if (tried === undefined) return { id };
      const job = await claims.submit({ id, tenant, ...tried }, wait.leftMs()).catch(throwProblem);
      if (job === id) return { id };
      const [standing] = await wait.answered(findStandingJobs(pool, [{ id: job, tenant, idempotency: null }]));
      return { id: job, ...(standing && { standing }) };
    },
  };
}

/** In batches, as jobs are: a burst of jobs from such clients begins with a burst of these. */
function createClaims(pool: Database): Batcher<RequestTry, JobId> {
  return createBatcher<RequestTry, JobId>({
    async write(tries) {
      const claimed = await within(claimRequests(pool, tries, limits.inferredRetryMsMax), limits.acceptTryMsMax);
      const jobs = new Map(claimed.map(({ id, job }) => [id, job]));
      return tries.map(({ id }) => jobs.get(id) ?? id);
    },
    ...acceptPace,
  });
}

function throwProblem(error: unknown): never {
  throw problemOfBatch(error);
}

/** The number that the client gave this try. Undefined: it gives none, so nothing is known of other tries. */
export function retryNumberOf(request: Request): number | undefined {
  const header = request.get('x-stainless-retry-count');
  if (header === undefined || !/^\d{1,3}$/.test(header)) return undefined;
  return Number(header);
}
