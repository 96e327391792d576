import type { Failure } from '../../domain/failure.ts';
import type { FinalPhase, JobId } from '../../domain/job.ts';
import type { Verdict } from '../../domain/next-step.ts';
import type { TicketStory, QueueAnswer } from '../../domain/story.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** The verdict that stands. */
export interface StandingVerdict {
  readonly phase: FinalPhase;
  readonly attempt: number | null;
  readonly failure: Failure | null;
  /** Whether this call set it. */
  readonly settledNow: boolean;
}

/** Ends a job, once. Returns the verdict that stands; undefined for a job that does not exist. */
export async function settleJob(db: Database, jobId: JobId, verdict: Verdict): Promise<StandingVerdict | undefined> {
  const { rows } = await db.query<StandingVerdict>({
    name: 'settle_job',
    text: `SELECT phase, served_attempt AS attempt, failure, was_settled_now AS "settledNow" FROM settle_job($1, $2, $3, $4)`,
    values: [
      jobId,
      verdict.phase,
      verdict.phase === 'completed' ? verdict.attempt : null,
      verdict.phase === 'failed' ? verdict.failure : null,
    ],
  });
  return rows[0];
}

export interface QueueRequest {
  readonly jobId: JobId;
  readonly ticket: TicketStory;
  readonly waitMs: number;
}

/** Gives a further attempt its place in the queue. */
export async function queueAttempt(db: Database, { jobId, ticket, waitMs }: QueueRequest): Promise<QueueAnswer> {
  const { rows } = await db.query<{ answer: QueueAnswer }>({
    name: 'queue_attempt',
    text: `SELECT queue_attempt($1, $2, $3, $4, $5 * interval '1 millisecond') AS answer`,
    values: [jobId, ticket.attempt, ticket.target, ticket.kind, waitMs],
  });
  return only(rows, 'queue_attempt').answer;
}
