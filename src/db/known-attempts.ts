import { type Failure, failureOf } from '../domain/failure.ts';
import type { JobId } from '../domain/job.ts';
import type { KnownAttempt } from '../domain/story.ts';
import type { Database } from './pool.ts';

interface Row {
  readonly attempt: number;
  readonly target: number;
  readonly grant: string | null;
  readonly operation: string | null;
  readonly outcome: 'finished' | 'failed' | 'lost' | null;
  readonly failure: Failure | null;
}

/** What the ledger holds of a job, for a workflow that has to begin anew because its first run was lost. */
export async function findKnownAttempts(db: Database, jobId: JobId): Promise<readonly KnownAttempt[]> {
  const { rows } = await db.query<Row>({
    name: 'find_known_attempts',
    text: `SELECT a.attempt, a.target, p.grant_id::text AS grant, a.operation, a.outcome, a.failure
           FROM attempts a LEFT JOIN permits p ON p.job = a.job AND p.attempt = a.attempt
           WHERE a.job = $1
           ORDER BY a.attempt`,
    values: [jobId],
  });
  return rows.map(toKnown);
}

function toKnown({ attempt, target, grant, operation, outcome, failure }: Row): KnownAttempt {
  const known = { attempt, target, grant: grant ?? '' };
  if (outcome === 'finished') return { ...known, phase: 'finished' };
  if (outcome !== null) return { ...known, phase: 'failed', failure: failure ?? failureOf('submit_unknown') };
  return { ...known, phase: operation === null ? 'unknown' : 'live' };
}
