import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';
import { channel } from '../wake-ups.ts';

/** An attempt as its workflow remembers it, in a database that was put back to a moment before. */
export interface RememberedAttempt {
  readonly jobId: JobId;
  readonly attempt: number;
  /** Index into the route. */
  readonly target: number;
  readonly grant: string;
}

/** Gives an attempt that was granted and never sent its permit again, under the same number. */
export async function restorePermit(
  db: Database,
  { jobId, attempt, target, grant }: RememberedAttempt,
): Promise<string> {
  const { rows } = await db.query<{ answer: string }>({
    name: 'restore_permit',
    text: 'SELECT restore_permit($1, $2, $3, $4) AS answer',
    values: [jobId, attempt, target, grant],
  });
  return only(rows, 'restore_permit').answer;
}

/** `go`: written now. `known`: the ledger had it. Anything else: there is no attempt to write. */
export async function restoreAttempt(
  db: Database,
  order: RememberedAttempt & { readonly submittedAtMs: number; readonly runBudgetMs: number },
): Promise<string> {
  const { rows } = await db.query<{ answer: string }>({
    name: 'restore_attempt',
    text: `SELECT restore_attempt($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6 * interval '1 millisecond') AS answer`,
    values: [order.jobId, order.attempt, order.target, order.grant, order.submittedAtMs, order.runBudgetMs],
  });
  return only(rows, 'restore_attempt').answer;
}

/** Names the operation of an attempt that is ambiguous, or was begun and never answered. False: it is not to be had. */
export async function adoptOperation(
  db: Database,
  adoption: {
    readonly jobId: JobId;
    readonly attempt: number;
    readonly operation: string;
    readonly by: 'answer' | 'callback' | 'list';
  },
): Promise<boolean> {
  const { rows } = await db.query<{ adopted: boolean }>({
    name: 'adopt_operation',
    text: 'SELECT adopt_attempt($1, $2, $3, $4) AS adopted',
    values: [adoption.jobId, adoption.attempt, adoption.operation, adoption.by],
  });
  return only(rows, 'adopt_attempt').adopted;
}

/** What the ledger has of a job. */
export interface LedgerAttempt {
  readonly attempt: number;
  readonly state: 'submitting' | 'accepted' | 'refused' | 'unknown';
  readonly operation: string | null;
  readonly hasEnded: boolean;
  readonly isStored: boolean;
}

export interface JobToAdopt {
  readonly id: JobId;
  readonly tenant: string;
  readonly isFinal: boolean;
  readonly isDispatched: boolean;
  readonly attempts: readonly LedgerAttempt[];
}

/** Jobs of a database that was put back, of these workflows. Those that are missing were accepted later than the backup. */
export async function findJobsToAdopt(db: Database, ids: readonly string[]): Promise<readonly JobToAdopt[]> {
  const { rows } = await db.query<JobToAdopt>({
    name: 'find_jobs_to_adopt',
    text: `SELECT id, tenant, finished_at IS NOT NULL AS "isFinal", dispatched_at IS NOT NULL AS "isDispatched",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('attempt', a.attempt, 'state', a.state, 'operation', a.operation,
                              'hasEnded', a.ended_at IS NOT NULL, 'isStored', s.stored_at IS NOT NULL AND s.removed_at IS NULL)
                              ORDER BY a.attempt)
                            FROM attempts a LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt
                            WHERE a.job = jobs.id), '[]') AS attempts
           FROM jobs WHERE id = ANY($1::text[])`,
    values: [ids],
  });
  return rows;
}

/** The seed by which a vendor's list finds an attempt. */
export async function seedOfAttempt(db: Database, job: string, attempt: number): Promise<number> {
  const { rows } = await db.query<{ seed: string }>({
    name: 'seed_of_attempt',
    text: 'SELECT attempt_seed($1, $2)::text AS seed',
    values: [job, attempt],
  });
  return Number(only(rows, 'attempt_seed').seed);
}

/**
 * The job has a workflow, and its place in line is for an attempt that the workflow does not know yet: a permit under a
 * number that it has used would be ignored, and kept for ever.
 */
export async function noteWorkflow(
  db: Database,
  { jobId, attemptsUsed }: { jobId: JobId; attemptsUsed: number },
): Promise<void> {
  await db.query({
    name: 'note_workflow',
    text: 'UPDATE jobs SET dispatched_at = coalesce(dispatched_at, clock_timestamp()) WHERE id = $1 AND finished_at IS NULL',
    values: [jobId],
  });
  await db.query({
    name: 'renumber_ticket',
    text: `UPDATE tickets SET attempt = $2::int + 1, kind = CASE kind WHEN 'first' THEN 'retry' ELSE kind END
           WHERE job = $1 AND attempt <= $2::int`,
    values: [jobId, attemptsUsed],
  });
}

/** Before anything is known of what workflows were given: whoever grants after this gives no number a second time. */
export async function leapGrants(db: Database): Promise<void> {
  await db.query({
    text: `SELECT setval(pg_get_serial_sequence('permits', 'grant_id'), nextval(pg_get_serial_sequence('permits', 'grant_id')) + $1)`,
    values: [limits.grantsLeapt],
  });
}

/** Grants to come are none that a workflow of before was given. */
export async function skipGrants(db: Database, past: bigint): Promise<void> {
  await db.query({
    text: `SELECT setval(pg_get_serial_sequence('permits', 'grant_id'),
                         greatest($1::bigint, (SELECT coalesce(max(grant_id), 0) FROM permits),
                                  nextval(pg_get_serial_sequence('permits', 'grant_id'))))`,
    values: [past.toString()],
  });
}

/**
 * Of a database that was dumped and restored into a new cluster, which counts its transactions from the start again: events of
 * before come before all that follow. Returns how many were told so; there may be more. Reads the end of each tenant's index, so
 * where nothing is to be done it costs a look a tenant, however many events there are.
 */
export async function settleOldEvents(db: Database, count: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `UPDATE job_events SET tx = '1' WHERE ctid = ANY(ARRAY(${lateEvents}))`,
    values: [count],
  });
  return rowCount ?? 0;
}

/** Exported for the test that holds it to its index. */
export const lateEvents = `
  SELECT late.ctid
  FROM tenants CROSS JOIN LATERAL (
    SELECT e.ctid FROM job_events e
    WHERE e.tenant = tenants.id AND e.tx >= (SELECT pg_snapshot_xmax(pg_current_snapshot()))
    ORDER BY e.tx DESC, e.job DESC, e.seq DESC
    LIMIT $1) AS late
  LIMIT $1`;

/**
 * Connections of workers and of the API. Both listen, whatever a connection string calls them; a pooler may keep a connection
 * for a while after they have gone.
 */
export async function countServiceSessions(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND (application_name IN ('spillway-worker', 'spillway-webhooks', 'spillway-api', 'spillway-wake-ups')
            OR query = 'LISTEN ${channel}')`,
  );
  return only(rows, 'pg_stat_activity').count;
}
