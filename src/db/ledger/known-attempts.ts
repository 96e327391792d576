import { type Failure, failureOf } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import type { KnownAttempt } from '../../domain/story.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

interface Row {
  readonly attempt: number;
  readonly target: number;
  readonly grant: string | null;
  readonly operation: string | null;
  readonly outcome: 'finished' | 'failed' | 'lost' | null;
  readonly failure: Failure | null;
  /** Our copy of its video is whole. */
  readonly isStored: boolean;
  /** There never will be a copy, and why. */
  readonly storeFailure: Failure | null;
  readonly runDeadlineAt: number;
}

/** What the ledger holds of a job that was begun: its attempts, and the moment by which it must end. */
export interface KnownRun {
  readonly known: readonly KnownAttempt[];
  /** Milliseconds of the database's clock. */
  readonly runDeadlineAt: number;
}

/** For a workflow that has to begin anew because its first run was lost. Undefined: no attempt was ever made. */
export async function findKnownRun(db: Database, jobId: JobId): Promise<KnownRun | undefined> {
  const { rows } = await db.query<Row>({
    name: 'find_known_run',
    text: `SELECT a.attempt, a.target, p.grant_id::text AS grant, a.operation, a.outcome, a.failure,
                  s.stored_at IS NOT NULL AND s.removed_at IS NULL AS "isStored", s.failure AS "storeFailure",
                  floor(${millis('j.run_deadline')}) AS "runDeadlineAt"
           FROM attempts a JOIN jobs j ON j.id = a.job
           LEFT JOIN permits p ON p.job = a.job AND p.attempt = a.attempt
           LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt
           WHERE a.job = $1
           ORDER BY a.attempt`,
    values: [jobId],
  });
  const [first] = rows;
  return first && { known: rows.map(toKnown), runDeadlineAt: first.runDeadlineAt };
}

function toKnown(row: Row): KnownAttempt {
  const { attempt, target, grant, operation, outcome, failure, isStored, storeFailure } = row;
  const known = { attempt, target, grant: grant ?? '' };
  if (isStored) return { ...known, phase: 'stored' };
  if (storeFailure !== null) return { ...known, phase: 'failed', failure: storeFailure };
  if (outcome === 'finished') return { ...known, phase: 'finished' };
  if (outcome !== null) return { ...known, phase: 'failed', failure: failure ?? failureOf('ambiguous_submit') };
  return { ...known, phase: operation === null ? 'unknown' : 'live' };
}
