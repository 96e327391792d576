import { limits } from '../../domain/limits/limits.ts';
import { refusals, type StuckCause } from '../../domain/stuck.ts';
import { type WaitCause } from '../../domain/wait-causes.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/**
 * SQL for the part `refusing`: lines whose breaker keeps everybody, with what their provider said last. The collation is that
 * of the index, which no other could read. `codes` is the parameter with the refusals that count.
 */
export function refusingLines(codes: string): string {
  return `refusing AS MATERIALIZED (
    SELECT targets.pool, targets.name, coalesce(said.code, 'provider_failed') AS code
    FROM targets LEFT JOIN LATERAL (
      SELECT newest.code FROM (
        SELECT failure ->> 'code' AS code, answered_at FROM attempts
        WHERE attempts.pool = targets.pool AND attempts.target_name = targets.name COLLATE "default" AND answered_at IS NOT NULL
        ORDER BY answered_at DESC
        LIMIT ${limits.breakerRecentMin * 2}
      ) AS newest
      WHERE newest.code = ANY(${codes}::text[])
      ORDER BY newest.answered_at DESC
      LIMIT 1
    ) AS said ON true
    WHERE targets.wait_reason = 'breaker'
  )`;
}

/** SQL for when a ticket's wait began. */
export const waitsSince = `CASE WHEN tickets.kind = 'first' THEN tickets.accepted_at ELSE tickets.waiting_since END`;

/**
 * SQL for what the provider says to a ticket: to the job's own last attempt there, else to the others in its line. The
 * statement has `refusing`.
 */
export function refusalOf(codes: string): string {
  return `coalesce(
    CASE WHEN tickets.kind <> 'first' THEN (
      SELECT CASE WHEN last.target_name = tickets.target_name COLLATE "default" AND last.failure ->> 'code' = ANY(${codes}::text[])
                  THEN last.failure ->> 'code' END
      FROM attempts last WHERE last.job = tickets.job ORDER BY last.attempt DESC LIMIT 1) END,
    (SELECT refusing.code FROM refusing WHERE refusing.pool = tickets.pool AND refusing.name = tickets.target_name))`;
}

/** `$1` to `$4`. Whoever has something under way, or a cause that counts for more, is not told by the wait. */
const stuckWaits = `WITH ${refusingLines('$1')}, rules AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::text[], $4::float8[]) AS rules(refusal, cause, after_ms)
  ), waits AS (
    SELECT tickets.job, tickets.tenant, ${waitsSince} AS since, coalesce(${refusalOf('$1')}, '') AS refusal
    FROM tickets
    WHERE tickets.kind <> 'overlap'
      AND tickets.accepted_at <= (SELECT clock_timestamp() - min(after_ms) * interval '1 millisecond' FROM rules)
  ), stuck AS (
    SELECT waits.job, waits.tenant, waits.since, rules.cause
    FROM waits JOIN rules ON rules.refusal = waits.refusal
    WHERE waits.since <= (SELECT clock_timestamp()) - rules.after_ms * interval '1 millisecond'
      AND waits.job NOT IN (SELECT job FROM failing_workflows)
  )`;

function ruleValues(rules: readonly WaitCause[]): readonly unknown[] {
  return [
    refusals,
    rules.map(({ refusal }) => refusal ?? ''),
    rules.map(({ cause }) => cause),
    rules.map(({ afterMs }) => afterMs),
  ];
}

export interface WaitingQuery {
  readonly rules: readonly WaitCause[];
  readonly tenant?: string;
  readonly limit: number;
}

/** Jobs whose wait is a cause of these rules, the longest first. Linear in the line, and no more. */
export async function findStuckWaits(db: Database, { rules, tenant, limit }: WaitingQuery): Promise<readonly string[]> {
  if (rules.length === 0) return [];
  const { rows } = await db.query<{ job: string }>(
    `${stuckWaits} SELECT job FROM stuck WHERE $5::text IS NULL OR tenant = $5 ORDER BY since LIMIT $6`,
    [...ruleValues(rules), tenant ?? null, limit],
  );
  return rows.map(({ job }) => job);
}

export interface CauseCount {
  readonly cause: StuckCause;
  readonly jobs: number;
  /** Milliseconds of the database's clock. */
  readonly oldestSince: number;
}

/** How many wait by cause, and since when the first of them. Not a prepared statement: a line grows from nothing in a minute. */
export async function countStuckWaits(db: Database, rules: readonly WaitCause[]): Promise<readonly CauseCount[]> {
  const { rows } = await db.query<CauseCount>(
    `${stuckWaits} SELECT cause, count(*)::int AS jobs, ${millis('min(since)')} AS "oldestSince" FROM stuck GROUP BY cause`,
    [...ruleValues(rules)],
  );
  return rows;
}
