import type { Failure } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export interface BeginOrder {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly grant: string;
  readonly targetName: string;
  readonly provider: string;
  readonly token: string;
  readonly seed: number | null;
  readonly runBudgetMs: number;
}

export type BeginAnswer =
  | { readonly verdict: 'go' }
  | { readonly verdict: 'job_final' | 'cancel_requested' | 'permit_lost' }
  | { readonly verdict: 'accepted' | 'unknown' | 'submitting' }
  | { readonly verdict: 'refused'; readonly failure: Failure };

/** Writes the ledger row that allows one POST, or says why there is to be none. See the migration for the rules. */
export async function beginAttempt(db: Database, order: BeginOrder): Promise<BeginAnswer> {
  const { rows } = await db.query<BeginAnswer>({
    name: 'begin_attempt',
    text: `SELECT verdict, failure FROM begin_attempt($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond')`,
    values: [
      order.jobId,
      order.attempt,
      order.grant,
      order.targetName,
      order.provider,
      order.token,
      order.seed,
      order.runBudgetMs,
    ],
  });
  return only(rows, 'begin_attempt');
}

export interface AttemptAnswer {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly state: 'accepted' | 'unknown';
  readonly operation: string | null;
  /** Why the answer is unknown. */
  readonly failure?: Failure;
}

/** Records what the provider answered to the POST; `accepted` stands against everything. */
export async function answerAttempt(db: Database, answer: AttemptAnswer): Promise<void> {
  await db.query({
    name: 'answer_attempt',
    text: 'SELECT answer_attempt($1, $2, $3, $4, $5)',
    values: [answer.jobId, answer.attempt, answer.state, answer.operation, answer.failure ?? null],
  });
}

export interface AttemptEnd {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly evidence: 'refusal' | 'callback' | 'check' | 'list' | 'stop' | 'longest_duration';
  readonly outcome: 'finished' | 'failed' | 'lost';
  readonly operation?: string;
  readonly videoUrl?: string;
  readonly failure?: Failure;
}

/** Records proof that the provider is done. Returns whether this call was the one that ended the attempt. */
export async function endAttempt(db: Database, end: AttemptEnd): Promise<boolean> {
  const { rows } = await db.query<{ ended: boolean }>({
    name: 'end_attempt',
    text: 'SELECT end_attempt($1, $2, $3, $4, $5, $6, $7) AS ended',
    values: [
      end.jobId,
      end.attempt,
      end.evidence,
      end.outcome,
      end.operation ?? null,
      end.videoUrl ?? null,
      end.failure ?? null,
    ],
  });
  return only(rows, 'end_attempt').ended;
}

/** What a submit needs of its job. `request` is null once the job has been erased. */
export interface JobToSubmit {
  readonly request: VideoRequest | null;
  readonly tenant: string;
  /** The key of its picture in the object store. */
  readonly inputImage: string | null;
  /** The picture there is as vendors get it. */
  readonly inputPrepared: boolean;
  /** Where the picture is still to be read from. */
  readonly inputUrl: string | null;
  readonly route: Route;
}

const jobToSubmit = `request, tenant, input_image AS "inputImage", input_prepared AS "inputPrepared", input_url AS "inputUrl", route`;

export async function findJobToSubmit(db: Database, jobId: JobId): Promise<JobToSubmit | undefined> {
  const { rows } = await db.query<JobToSubmit>({
    name: 'find_job_to_submit',
    text: `SELECT ${jobToSubmit} FROM jobs WHERE id = $1`,
    values: [jobId],
  });
  return rows[0];
}

/** The same with what is the attempt's own: made of its name, so that a ledger that was put back can make it again. */
export interface AttemptToSubmit extends JobToSubmit {
  /** The unguessable part of the callback URL. */
  readonly token: string;
  readonly seed: number;
}

export async function findAttemptToSubmit(
  db: Database,
  jobId: JobId,
  attempt: number,
): Promise<AttemptToSubmit | undefined> {
  const { rows } = await db.query<AttemptToSubmit>({
    name: 'find_attempt_to_submit',
    text: `SELECT ${jobToSubmit}, attempt_token($1, $2) AS token, attempt_seed($1, $2)::int AS seed FROM jobs WHERE id = $1`,
    values: [jobId, attempt],
  });
  return rows[0];
}

/** Whether the job is still to end. Its attempt may all the same be missing: the database was put back. */
export async function isOpenJob(db: Database, jobId: JobId): Promise<boolean> {
  const { rows } = await db.query({
    name: 'is_open_job',
    text: 'SELECT 1 FROM jobs WHERE id = $1 AND finished_at IS NULL',
    values: [jobId],
  });
  return rows.length > 0;
}

/** The provider itself has it in line: its patience counts from now. One that has ended stays as it is. */
export async function noteQueued(
  db: Database,
  { jobId, attempt }: { readonly jobId: JobId; readonly attempt: number },
): Promise<void> {
  await db.query({
    name: 'note_queued',
    text: 'UPDATE attempts SET queued_at = clock_timestamp() WHERE job = $1 AND attempt = $2 AND ended_at IS NULL',
    values: [jobId, attempt],
  });
}
