import type { Failure } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { Database } from '../pool.ts';
import type { Resolution } from './unknown-attempts.ts';

/** An attempt as its checker needs it. */
export interface AttemptToCheck {
  readonly provider: string;
  readonly operation: string | null;
  readonly seed: number | null;
  readonly submittedAt: Date;
  /** When its submit was answered, or its answer lost. */
  readonly answeredAt: Date | null;
  readonly outcome: 'finished' | 'failed' | 'lost' | null;
  readonly failure: Failure | null;
  /** What has settled that its submit was ambiguous, if it was: a proof, or its target's policy. */
  readonly resolvedBy: Resolution | null;
  readonly route: Route;
  readonly target: number;
}

export async function findAttemptToCheck(
  db: Database,
  jobId: JobId,
  attempt: number,
): Promise<AttemptToCheck | undefined> {
  const { rows } = await db.query<AttemptToCheck & { seed: string | null }>({
    name: 'find_attempt_to_check',
    text: `SELECT a.provider, a.operation, a.seed, a.submitted_at AS "submittedAt", a.answered_at AS "answeredAt", a.outcome, a.failure,
                  a.resolved_by AS "resolvedBy", a.target, j.route
           FROM attempts a JOIN jobs j ON j.id = a.job
           WHERE a.job = $1 AND a.attempt = $2`,
    values: [jobId, attempt],
  });
  const row = rows[0];
  return row && { ...row, seed: row.seed === null ? null : Number(row.seed) };
}
