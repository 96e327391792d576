import type pg from 'pg';
import type { Grants, PoolGlance, PoolSnapshot } from '../domain/grants.ts';
import { limits } from '../domain/limits.ts';
import { only } from './sql.ts';

/**
 * The statements of a grant pass, in the order in which they run inside one transaction. Each has a snapshot of its own
 * and they are never merged: a count in the statement that takes the lock overshoots the limit (scheduler.md).
 */

/**
 * Begins a transaction whose statements are planned for a long line, whatever the statistics say: a plan that was made
 * for a thousand tickets and kept reads all of a hundred thousand (scheduler.md). One trip to the server.
 */
export const beginWithPinnedPlans = `
  BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
  SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL lock_timeout = 500`;

/** Takes the pool's lock, and says whether there is a budget to lock too. Undefined: another dispatcher is granting. */
export async function lockPool(connection: pg.PoolClient, pool: string): Promise<LockedPool | undefined> {
  const { rows } = await connection.query<LockedPool>({
    name: 'lock_pool',
    text: `SELECT outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax", overlap_tokens AS "overlapTokens",
                  ${millis('next_start_at')} AS "nextStartAt", ${millis('overlap_at')} AS "overlapAt",
                  EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL) AS "isCapped"
           FROM pools WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED`,
    values: [pool],
  });
  return rows[0];
}

export interface LockedPool {
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly overlapTokens: number;
  readonly nextStartAt: number;
  readonly overlapAt: number;
  readonly isCapped: boolean;
}

/** Locks the budget where it has a cap, folds the refunds in, and says what is left of it. */
export async function lockBudget(connection: pg.PoolClient): Promise<number | null> {
  const { rows: capped } = await connection.query({
    name: 'lock_budget',
    text: `SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL FOR NO KEY UPDATE`,
  });
  if (capped.length === 0) return null;
  const { rows } = await connection.query<{ left: string }>({
    name: 'fold_refunds',
    text: `WITH folded AS (DELETE FROM refunds WHERE budget = 'global' RETURNING usd_micros)
           UPDATE budgets
           SET committed_usd_micros = committed_usd_micros - (SELECT coalesce(sum(usd_micros), 0) FROM folded)
           WHERE id = 'global'
           RETURNING cap_usd_micros - committed_usd_micros AS left`,
  });
  return Number(rows[0]?.left ?? 0);
}

export interface SnapshotQuery {
  readonly pool: string;
  readonly headsMax: number;
}

type Snapshot = Pick<PoolSnapshot, 'now' | 'outstanding' | 'submitting' | 'undelivered' | 'waiting'>;

/** What is held and the heads of the line, after the lock. Times by the database's clock, in milliseconds. */
export async function readSnapshot(connection: pg.PoolClient, { pool, headsMax }: SnapshotQuery): Promise<Snapshot> {
  const { rows } = await connection.query<Snapshot>({
    name: 'read_snapshot',
    text: `SELECT ${millis('clock_timestamp()')} AS now,
             (SELECT count(*)::int FROM permits WHERE pool = $1) AS outstanding,
             (SELECT count(*)::int FROM permits WHERE pool = $1 AND submitting) AS submitting,
             (SELECT count(*)::int FROM permits JOIN mailbox USING (job, attempt)
              WHERE permits.pool = $1 AND permits.submitting AND mailbox.kind IN ('start', 'permit')
                AND permits.start_at < clock_timestamp() - interval '1 second') AS undelivered,
             (SELECT coalesce(jsonb_agg(to_jsonb(head)), '[]') FROM (
                SELECT id::text, kind = 'overlap' AS overlap, ${millis('greatest(not_before, accepted_at)')} AS "notBefore",
                       price_usd_micros AS "priceUsdMicros"
                FROM tickets
                WHERE pool = $1 AND not_before <= clock_timestamp()
                ORDER BY (kind = 'overlap'), priority, accepted_at, id
                LIMIT $2) AS head) AS waiting`,
    values: [pool, headsMax],
  });
  return only(rows, 'read_snapshot');
}

/**
 * Carries the choice out: tickets become permits, and every permit gets its mail: the start of its workflow, or a signal
 * where that was dispatched before. Returns how many there were.
 *
 * The job is locked before its ticket, as everywhere, and a job that somebody is ending at this moment is left to them:
 * to wait for them while they wait for the ticket would be a deadlock.
 */
export async function claimGrants(connection: pg.PoolClient, pool: string, grants: Grants): Promise<number> {
  const { rowCount } = await connection.query({
    name: 'claim_grants',
    text: `WITH chosen AS (
             SELECT * FROM unnest($2::bigint[], $3::double precision[]) AS chosen(id, start_ms)
           ), locked AS MATERIALIZED (
             SELECT chosen.id, chosen.start_ms
             FROM chosen JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
             WHERE jobs.finished_at IS NULL
             FOR NO KEY UPDATE OF jobs SKIP LOCKED
           ), claimed AS (
             DELETE FROM tickets USING locked WHERE tickets.id = locked.id
             RETURNING tickets.*, to_timestamp(locked.start_ms / 1000) AS start_at
           ), granted AS (
             INSERT INTO permits (job, attempt, pool, target, start_at, price_usd_micros)
             SELECT job, attempt, pool, target, start_at, price_usd_micros FROM claimed ORDER BY start_at
             ON CONFLICT (job, attempt) DO NOTHING
             RETURNING grant_id, job, attempt, target, start_at, price_usd_micros
           ), dispatched AS (
             UPDATE jobs SET dispatched_at = clock_timestamp()
             FROM granted WHERE jobs.id = granted.job AND jobs.dispatched_at IS NULL
             RETURNING jobs.id
           ), mailed AS (
             INSERT INTO mailbox (job, kind, attempt, payload, not_before)
             SELECT job,
                    CASE WHEN dispatched.id IS NULL THEN 'permit' ELSE 'start' END,
                    attempt,
                    jsonb_build_object('attempt', attempt, 'target', target, 'grant', grant_id::text),
                    start_at
             FROM granted LEFT JOIN dispatched ON dispatched.id = granted.job
             ON CONFLICT (job, kind, attempt) DO NOTHING
           ), committed AS (
             UPDATE budgets
             SET committed_usd_micros = committed_usd_micros + (SELECT coalesce(sum(price_usd_micros), 0)::bigint FROM granted)
             WHERE id = 'global' AND cap_usd_micros IS NOT NULL
           ), paced AS (
             UPDATE pools
             SET next_start_at = to_timestamp($4::float8 / 1000), overlap_tokens = $5::float8, overlap_at = clock_timestamp()
             WHERE id = $1
           )
           SELECT 1 FROM granted`,
    values: [
      pool,
      grants.granted.map(({ id }) => id),
      grants.granted.map(({ startAt }) => startAt),
      grants.nextStartAt,
      grants.overlapTokens,
    ],
  });
  return rowCount ?? 0;
}

export interface WaitingPool extends Omit<PoolGlance, 'submittingMax'> {
  readonly id: string;
}

/** Pools with somebody in line, and whether a pass has a chance there. Without a lock: what it counts is a hint. */
export async function findWaitingPools(connection: Pick<pg.Pool, 'query'>): Promise<readonly WaitingPool[]> {
  const { rows } = await connection.query<WaitingPool>({
    name: 'find_waiting_pools',
    text: `SELECT id, outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax",
                  ${millis('next_start_at')} AS "nextStartAt", ${millis('clock_timestamp()')} AS now,
                  held.outstanding, held.submitting
           FROM pools CROSS JOIN LATERAL (
             SELECT count(*)::int AS outstanding, (count(*) FILTER (WHERE permits.submitting))::int AS submitting
             FROM permits WHERE permits.pool = pools.id
           ) AS held
           WHERE EXISTS (SELECT 1 FROM tickets WHERE tickets.pool = pools.id)
           ORDER BY id`,
  });
  return rows;
}

/** How many heads a pass looks at: what it may grant, and as many again to say why they wait. */
export const headsOfPassMax = limits.grantsOfPassMax * 2;

/** `-infinity` is the oldest moment there is: zero will do. */
function millis(expression: string): string {
  return `coalesce(extract(epoch FROM nullif(${expression}, '-infinity'))::double precision * 1000, 0)`;
}
