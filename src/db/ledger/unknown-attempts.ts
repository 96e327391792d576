import type { JobId } from '../../domain/job.ts';
import type { RouteTarget } from '../../domain/route.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** What settled an ambiguous submit: a proof of what became of it, or its target's policy once the grace was over. */
export type Resolution =
  | 'answer'
  | 'callback'
  | 'list'
  | 'check'
  | 'stop'
  | 'longest_duration'
  | 'grace_wait'
  | 'grace_resubmit'
  | 'grace_fail';

export interface Adoption {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly operation: string;
}

/** Takes the operation that the vendor's list named. False: the attempt, or the operation, is not to be had any more. */
export async function adoptFromList(db: Database, { jobId, attempt, operation }: Adoption): Promise<boolean> {
  const { rows } = await db.query<{ adopted: boolean }>({
    name: 'adopt_from_list',
    text: `SELECT adopt_attempt($1, $2, $3, 'list') AS adopted`,
    values: [jobId, attempt, operation],
  });
  return only(rows, 'adopt_attempt').adopted;
}

export interface UnknownDecision {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly policy: RouteTarget['unknownPolicy'];
}

/** The grace is over: notes what the policy makes of it. False: something was heard meanwhile, so nothing is decided. */
export async function decideUnknown(db: Database, { jobId, attempt, policy }: UnknownDecision): Promise<boolean> {
  const { rows } = await db.query<{ stands: boolean }>({
    name: 'decide_unknown',
    text: 'SELECT decide_unknown($1, $2, $3) AS stands',
    values: [jobId, attempt, policy],
  });
  return only(rows, 'decide_unknown').stands;
}

export interface UnknownCount {
  readonly target: string;
  /** Null: attempts that became unknown. */
  readonly by: Resolution | null;
  readonly count: number;
}

/** What happened to ambiguous submits since somebody took these counts last, in whichever process. Each is taken once. */
export async function takeUnknownCounts(db: Database): Promise<readonly UnknownCount[]> {
  const { rows } = await db.query<UnknownCount>({
    name: 'take_unknown_counts',
    text: `WITH taken AS (DELETE FROM unknown_tally RETURNING target_name, resolved_by)
           SELECT target_name AS target, resolved_by AS by, count(*)::int AS count FROM taken GROUP BY 1, 2`,
  });
  return rows;
}
