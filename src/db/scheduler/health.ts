import { limits } from '../../domain/limits/limits.ts';
import {
  accountFaults,
  admits,
  missingRouteCodes,
  outcomeFaults,
  probingSince,
  submitFaults,
  type TargetHealth,
} from '../../domain/target-health.ts';
import type { EvidenceSpan } from '../../domain/breaker.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

export interface TargetKey {
  readonly pool: string;
  readonly name: string;
}

/** A target as it is stored. `health` and `durations` are JSON for the readers of the domain. */
export interface StoredTarget extends TargetKey {
  readonly health: unknown;
  readonly durations: unknown;
  /** Milliseconds of the database's clock. */
  readonly now: number;
}

export async function findTargets(db: Database): Promise<readonly StoredTarget[]> {
  const { rows } = await db.query<StoredTarget>({
    name: 'find_targets',
    text: `SELECT pool, name, health, durations, ${millis('clock_timestamp()')} AS now FROM targets ORDER BY pool, name`,
  });
  return rows;
}

/** What is asked about a target. Moments and spans in milliseconds. */
export interface EvidenceQuery extends TargetKey {
  readonly now: number;
  readonly submit: EvidenceSpan;
  readonly outcome: EvidenceSpan;
  /** The age at which an attempt is due; null: nothing is expected of anybody. */
  readonly dueAfterMs: number | null;
  readonly overdueAfterMs: number;
  /** A breaker waits for the few that it admits, whatever has become of their jobs. */
  readonly isProbing: boolean;
}

/** The counts of one target; see `TargetEvidence` of the domain for what they mean. */
export interface EvidenceRow extends TargetKey {
  readonly submitGood: number;
  readonly submitBad: number;
  readonly submitGoodRecent: number;
  readonly submitBadRecent: number;
  readonly accountRefusedAt: number | null;
  readonly acceptedAt: number | null;
  readonly outcomeGood: number;
  readonly outcomeBad: number;
  readonly outcomeGoodRecent: number;
  readonly outcomeBadRecent: number;
  readonly youngGood: number;
  readonly youngBad: number;
  readonly ended: number;
  readonly unanswered: number;
  readonly due: number;
  readonly overdue: number;
}

/**
 * What was seen of each target. Of the ledger the newest rows of the window, by index; of the permits those that are old
 * enough to be late. An attempt that nobody waits for any more is asked about rarely, so its time says nothing, unless a
 * breaker waits for it. Not a
 * prepared statement: its plan has to follow tables that grow from nothing to a hundred thousand rows in a minute.
 */
export async function readEvidence(db: Database, queries: readonly EvidenceQuery[]): Promise<readonly EvidenceRow[]> {
  const { rows } = await db.query<EvidenceRow>(evidenceSql, [
    queries.map(({ pool }) => pool),
    queries.map(({ name }) => name),
    queries.map(({ now }) => now),
    queries.map(({ submit }) => submit.after),
    queries.map(({ submit }) => submit.submittedAfter),
    queries.map(({ outcome }) => outcome.after),
    queries.map(({ outcome }) => outcome.submittedAfter),
    queries.map(({ dueAfterMs }) => dueAfterMs),
    queries.map(({ overdueAfterMs }) => overdueAfterMs),
    submitFaults,
    missingRouteCodes,
    accountFaults,
    outcomeFaults,
    queries.map(({ isProbing }) => isProbing),
  ]);
  return rows;
}

/** One row a statement: the grant pass writes several of them, and in what order is its own affair. */
export async function writeHealth(db: Database, { pool, name }: TargetKey, health: TargetHealth): Promise<void> {
  await db.query({
    name: 'write_health',
    text: `UPDATE targets
           SET health = $3, admits = $4, probing_since = to_timestamp($5::float8 / 1000), health_at = clock_timestamp()
           WHERE pool = $1 AND name = $2`,
    values: [pool, name, health, admits(health), probingSince(health)],
  });
}

/** Of the last moments; of a target that is less busy, among the last that were good or bad. */
function isRecent(moment: string): string {
  return `(${moment} >= target.recent_from OR row_number() OVER (PARTITION BY is_good OR is_bad ORDER BY ${moment} DESC)
             <= ${limits.breakerRecentMin})`;
}

const evidenceSql = `
  WITH target AS (
    SELECT pool, name,
           to_timestamp(now_ms / 1000) AS seen_at,
           to_timestamp((now_ms - ${limits.breakerRecentMs}) / 1000) AS recent_from,
           to_timestamp(submit_after / 1000) AS submit_after, to_timestamp(submit_from / 1000) AS submit_from,
           to_timestamp(outcome_after / 1000) AS outcome_after, to_timestamp(outcome_from / 1000) AS outcome_from,
           is_probing, to_timestamp((now_ms - due_ms) / 1000) AS due_before, to_timestamp((now_ms - overdue_ms) / 1000) AS overdue_before
    FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[], $14::boolean[])
      AS asked(pool, name, now_ms, submit_after, submit_from, outcome_after, outcome_from, due_ms, overdue_ms, is_probing)
  )
  SELECT target.pool, target.name, answer.*, ending.*, held.*
  FROM target
  CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE is_good))::int AS "submitGood",
           (count(*) FILTER (WHERE is_bad))::int AS "submitBad",
           (count(*) FILTER (WHERE is_good AND is_recent))::int AS "submitGoodRecent",
           (count(*) FILTER (WHERE is_bad AND is_recent))::int AS "submitBadRecent",
           ${millis('max(answered_at) FILTER (WHERE is_bad AND code = ANY($12))')} AS "accountRefusedAt",
           ${millis('max(answered_at) FILTER (WHERE is_good)')} AS "acceptedAt",
           (count(*) FILTER (WHERE is_good AND is_recent AND (outcome IS NULL OR outcome = 'finished')))::int AS "youngGood",
           (count(*) FILTER (WHERE is_good AND is_recent AND submitted_at >= target.outcome_from
                               AND outcome = 'failed' AND code = ANY($13)))::int AS "youngBad"
    FROM (
      SELECT newest.*, ${isRecent('answered_at')} AS is_recent
      FROM (
        SELECT answered_at, submitted_at, outcome, state = 'accepted' AS is_good, failure ->> 'code' AS code,
               state IN ('refused', 'unknown') AND submitted_at >= target.submit_from
                 AND coalesce(failure ->> 'code' = ANY($10)
                              OR (failure ->> 'code' = 'invalid_input' AND failure ->> 'vendorCode' = ANY($11)), false) AS is_bad
        FROM attempts
        WHERE attempts.pool = target.pool AND attempts.target_name = target.name AND answered_at >= target.submit_after
        ORDER BY answered_at DESC
        LIMIT ${limits.breakerRowsMax}
      ) AS newest
    ) AS answered
  ) AS answer
  CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE is_good))::int AS "outcomeGood",
           (count(*) FILTER (WHERE is_bad))::int AS "outcomeBad",
           (count(*) FILTER (WHERE is_good AND is_recent))::int AS "outcomeGoodRecent",
           (count(*) FILTER (WHERE is_bad AND is_recent))::int AS "outcomeBadRecent",
           (count(*) FILTER (WHERE ended_at >= target.recent_from))::int AS ended
    FROM (
      SELECT newest.*, ${isRecent('ended_at')} AS is_recent
      FROM (
        SELECT ended_at, outcome = 'finished' AS is_good,
               submitted_at >= target.outcome_from
                 AND coalesce((outcome = 'failed' AND failure ->> 'code' = ANY($13))
                              OR (outcome = 'lost' AND evidence <> 'stop'), false) AS is_bad
        FROM attempts
        WHERE attempts.pool = target.pool AND attempts.target_name = target.name AND ended_at >= target.outcome_after
          AND evidence <> 'refusal'
        ORDER BY ended_at DESC
        LIMIT ${limits.breakerRowsMax}
      ) AS newest
    ) AS ended
  ) AS ending
  CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE state = 'submitting' AND submitted_at >= target.submit_from
              AND submitted_at BETWEEN target.seen_at - interval '${limits.submitLostMs} milliseconds'
                                   AND target.seen_at - interval '${limits.submitSlowMs} milliseconds'))::int AS unanswered,
           (count(*) FILTER (WHERE is_under_way AND state = 'accepted' AND submitted_at < target.due_before))::int AS due,
           (count(*) FILTER (WHERE is_under_way AND submitted_at < target.overdue_before))::int AS overdue
    FROM (
      SELECT attempts.state, attempts.submitted_at,
             -- What may be under way and says nothing is as late as what is.
             attempts.state IN ('accepted', 'unknown') AND attempts.submitted_at >= target.outcome_from AS is_under_way
      FROM permits JOIN attempts ON attempts.job = permits.job AND attempts.attempt = permits.attempt
      WHERE permits.pool = target.pool AND permits.target_name = target.name
        AND (permits.zombie_since IS NULL OR target.is_probing) AND attempts.ended_at IS NULL
        AND permits.start_at < greatest(target.due_before, target.overdue_before,
                                        target.seen_at - interval '${limits.submitSlowMs} milliseconds')
      LIMIT ${limits.breakerPermitsMax}
    ) AS late
  ) AS held`;

/** Every target admits any number again: nobody judges them any more. */
export async function forgetHealth(db: Database): Promise<void> {
  await db.query({
    name: 'forget_health',
    text: `UPDATE targets SET health = '{}', admits = NULL, probing_since = NULL
           WHERE (pool, name) IN (
             -- Whoever is written at this moment is forgotten in the next.
             SELECT pool, name FROM targets WHERE admits IS NOT NULL OR probing_since IS NOT NULL OR health <> '{}'
             FOR NO KEY UPDATE SKIP LOCKED)`,
  });
}
