import type { Failure } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** An attempt as a callback URL names it. */
export interface CallbackAddress {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly token: string;
}

export interface CallbackReport {
  readonly bodySha256: Uint8Array;
  readonly kind: string;
  readonly operation: string;
  /** Absent: not an end. */
  readonly outcome?: 'finished' | 'failed';
  readonly videoUrl?: string;
  readonly failure?: Failure;
}

export type CallbackVerdict = 'unknown_attempt' | 'duplicate' | 'recorded' | 'late';

/** Records what a provider proved to have said of an attempt, with everything that follows from it. */
export async function receiveCallback(
  db: Database,
  address: CallbackAddress,
  report: CallbackReport,
): Promise<CallbackVerdict> {
  const { rows } = await db.query<{ verdict: CallbackVerdict }>({
    name: 'receive_callback',
    text: 'SELECT receive_callback($1, $2, $3, $4, $5, $6, $7, $8, $9) AS verdict',
    values: [
      address.jobId,
      address.attempt,
      address.token,
      Buffer.from(report.bodySha256),
      report.kind,
      report.outcome ?? null,
      report.operation,
      report.videoUrl ?? null,
      report.failure ?? null,
    ],
  });
  return only(rows, 'receive_callback').verdict;
}

/** Whether a callback's URL is one of ours. */
export async function isKnownAttempt(db: Database, address: CallbackAddress): Promise<boolean> {
  const { rows } = await db.query({
    name: 'is_known_attempt',
    text: 'SELECT 1 FROM attempts WHERE job = $1 AND attempt = $2 AND token = $3',
    values: [address.jobId, address.attempt, address.token],
  });
  return rows.length > 0;
}

/** Has the provider asked about an attempt that somebody unproven spoke of. Nothing for one that has ended. */
export async function requestCheck(db: Database, { jobId, attempt }: CallbackAddress): Promise<void> {
  await db.query({
    name: 'request_check',
    text: `INSERT INTO mailbox (job, kind, attempt)
           SELECT job, 'repair', attempt FROM attempts WHERE job = $1 AND attempt = $2 AND ended_at IS NULL
           ON CONFLICT (job, kind, attempt) DO NOTHING`,
    values: [jobId, attempt],
  });
}
