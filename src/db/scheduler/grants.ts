import type pg from 'pg';
import type { LimitOverrides, Throttle } from '../../domain/limits/account-limits.ts';
import type { Lane } from '../../domain/lanes.ts';
import type { PoolState } from '../../domain/grants.ts';
import { noteDepths } from './depths.ts';
import { lanesOf, moment, only } from '../sql.ts';

/**
 * The statements of a grant pass, in the order in which they run inside one transaction; `readHeads` and `carryOut` follow.
 * Each has a snapshot of its own and they are never merged: a count in the statement that takes the lock overshoots the
 * limit (scheduler.md).
 */

/**
 * Begins a transaction whose statements are planned for a long line, whatever the statistics say: a plan that was made
 * for a thousand tickets and kept reads all of a hundred thousand (scheduler.md). One trip to the server.
 */
export const beginWithPinnedPlans = `
  BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
  SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL lock_timeout = 500`;

/** Begins a grant pass. What it claims it notes on the flows itself, so the trigger need not note it as departures. */
export const beginPass = `${beginWithPinnedPlans}; SET LOCAL spillway.granting = on`;

/** Takes the pool's lock, and says whether there is a budget to lock too. Undefined: another dispatcher is granting. */
export async function lockPool(connection: pg.PoolClient, pool: string): Promise<LockedPool | undefined> {
  const { rows } = await connection.query<LockedPool>({
    name: 'lock_pool',
    text: `SELECT outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax", overlap_tokens AS "overlapTokens",
                  ${moment('next_start_at')} AS "nextStartAt", ${moment('overlap_at')} AS "overlapAt", learned,
                  EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL) AS "isCapped",
                  EXISTS (SELECT 1 FROM tenants WHERE day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL)
                    AS "hasTenantBudgets",
                  EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant') OR EXISTS (SELECT 1 FROM held_tenants WHERE pool = $1)
                    AS "hasHolds"
           FROM pools WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED`,
    values: [pool],
  });
  return rows[0];
}

export interface LockedPool {
  /** As configured. */
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly overlapTokens: number;
  readonly nextStartAt: number;
  readonly overlapAt: number;
  /** What was learned of both: JSON. */
  readonly learned: unknown;
  readonly isCapped: boolean;
  /** Some tenant has a budget of its own. */
  readonly hasTenantBudgets: boolean;
  /** Some tenant is paused, or was. A hint: what is paused now, the statements after this one ask for themselves. */
  readonly hasHolds: boolean;
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

/** Arrivals that one pass folds at most: after an outage the line is taken up in pieces. */
const arrivalsOfPassMax = 5_000;

/** Takes into the line, at their old place, who were told to come back now. To be folded after that. */
export async function unparkTickets(connection: pg.PoolClient, pool: string): Promise<void> {
  await connection.query({
    name: 'unpark_tickets',
    text: `UPDATE tickets SET parked = false
           WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE pool = $1 AND parked AND not_before <= (SELECT clock_timestamp())
                                 ORDER BY not_before LIMIT ${arrivalsOfPassMax} FOR UPDATE SKIP LOCKED))`,
    values: [pool],
  });
}

/**
 * Folds what has arrived and left since the last pass into flows. A flow that wakes begins at the time of its class: what it did not use while it
 * was away, it can't save. One that somebody has left is asked whether anybody is left in it: a campaign that is cancelled
 * is not to be looked through later, flow by flow, while others wait. Flows of a tenant that is paused are held.
 */
export async function foldArrivals(connection: pg.PoolClient, pool: string): Promise<void> {
  await connection.query({
    name: 'fold_arrivals',
    text: `WITH taken AS (
             DELETE FROM arrivals
             WHERE pool = $1 AND id = ANY (ARRAY(SELECT id FROM arrivals WHERE pool = $1 ORDER BY id LIMIT ${arrivalsOfPassMax}))
             RETURNING target_name, class, tenant, caller, id, accepted_at, n
           ), changes AS MATERIALIZED (
             SELECT sums.*, n + coalesce(own.waiting, 0) AS waiting, own.tag, coalesce(tenants.weight, 1) AS weight,
                    min(since) OVER (PARTITION BY class, tenant, caller) AS flow_since,
                    line.waits AND NOT line.is_paused AS is_active, line.waits AND line.is_paused AS is_held
             FROM (
               SELECT target_name, class, tenant, caller, sum(n)::int AS n, min(id) AS since, bool_or(n < 0) AS has_left,
                      array_agg(accepted_at) AS moments, array_agg(n) AS counts
               FROM taken GROUP BY target_name, class, tenant, caller
             ) AS sums
             CROSS JOIN LATERAL (
               SELECT max(tag) FILTER (WHERE active) AS tag, max(waiting) FILTER (WHERE flows.target_name = sums.target_name) AS waiting
               FROM flows
               WHERE flows.pool = $1 AND flows.class = sums.class AND flows.tenant = sums.tenant AND flows.caller = sums.caller
             ) AS own
             CROSS JOIN LATERAL (
               SELECT NOT has_left OR EXISTS (
                        SELECT 1 FROM tickets
                        WHERE tickets.pool = $1 AND tickets.target_name = sums.target_name AND tickets.priority = sums.class
                          AND tickets.tenant = sums.tenant AND tickets.caller = sums.caller
                          AND kind <> 'overlap' AND NOT parked) AS waits,
                      EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant' AND subject = sums.tenant) AS is_paused
               OFFSET 0
             ) AS line
             LEFT JOIN tenants ON tenants.id = sums.tenant
           ), tagged AS MATERIALIZED (
             -- Who comes takes the tenant's next tags, in the order of arrival; who waits at another target has one already.
             SELECT changes.*, coalesce(changes.tag, greatest(lanes.tag, shares.tag, 0)
                      + (dense_rank() OVER (PARTITION BY changes.class, changes.tenant, changes.tag IS NULL AND is_active ORDER BY flow_since) - 1)
                        / changes.weight) AS start_tag
             FROM changes
             LEFT JOIN lanes ON lanes.pool = $1 AND lanes.class = changes.class
             LEFT JOIN shares ON shares.pool = $1 AND shares.class = changes.class AND shares.tenant = changes.tenant
           ), shared AS (
             INSERT INTO shares (pool, class, tenant, tag)
             SELECT $1, class, tenant, max(start_tag + 1 / weight) FROM tagged WHERE tag IS NULL AND is_active
             GROUP BY class, tenant
             ON CONFLICT (pool, class, tenant) DO UPDATE SET tag = excluded.tag
           ), known AS (
             INSERT INTO targets (pool, name) SELECT DISTINCT $1, target_name FROM changes ON CONFLICT DO NOTHING
           ), opened AS (
             INSERT INTO lanes (pool, class, virtual_time)
             SELECT DISTINCT $1, class, coalesce((SELECT min(virtual_time) FROM lanes WHERE pool = $1), 0) FROM changes
             ON CONFLICT DO NOTHING
           ), folded AS (
             INSERT INTO flows (pool, class, tenant, caller, target_name, weight, tag, since, waiting, active, held)
             SELECT $1, class, tenant, caller, target_name, weight, start_tag, since, waiting, is_active, is_held FROM tagged
             ON CONFLICT (pool, class, tenant, caller, target_name) DO UPDATE
             SET waiting = excluded.waiting,
                 weight = excluded.weight,
                 tag = CASE WHEN flows.active THEN flows.tag ELSE excluded.tag END,
                 since = CASE WHEN flows.active THEN flows.since ELSE excluded.since END,
                 active = excluded.active,
                 held = excluded.held
           ), held AS (
             INSERT INTO held_tenants (pool, tenant) SELECT DISTINCT $1, tenant FROM changes WHERE is_held ON CONFLICT DO NOTHING
           ), ${noteDepths}
           SELECT 1`,
    values: [pool],
  });
}

/** What is held and what the account has said, after the lock. Times by the database's clock, in milliseconds. */
export async function readHoldings(connection: pg.PoolClient, pool: string): Promise<Holdings> {
  const { rows } = await connection.query<Holdings>({
    name: 'read_holdings',
    text: `WITH heard AS (
             DELETE FROM throttles WHERE pool = $1 RETURNING dimension, granted_at, refused_at, retry_after_ms
           ), held AS MATERIALIZED (
             SELECT target_name, count(*) AS outstanding, count(*) FILTER (WHERE submitting) AS submitting
             FROM permits WHERE pool = $1 GROUP BY target_name
           )
           SELECT ${moment('clock_timestamp()')} AS now,
             (SELECT coalesce(sum(outstanding), 0)::int FROM held) AS outstanding,
             (SELECT coalesce(sum(submitting), 0)::int FROM held) AS submitting,
             (SELECT count(*)::int FROM permits JOIN mailbox USING (job, attempt)
              WHERE permits.pool = $1 AND permits.submitting AND mailbox.kind IN ('start', 'permit')
                AND permits.start_at < (SELECT clock_timestamp()) - interval '1 second') AS undelivered,
             (SELECT coalesce(jsonb_agg(jsonb_build_object('dimension', dimension, 'grantedAt', ${moment('granted_at')},
                       'retryAfterMs', retry_after_ms) ORDER BY refused_at), '[]') FROM heard) AS throttles,
             -- Only a refusal asks for it.
             (SELECT CASE WHEN EXISTS (SELECT 1 FROM heard) THEN
                (SELECT count(*) FROM permits WHERE permits.pool = $1 AND granted_at > (SELECT clock_timestamp()) - interval '1 minute')
                -- By the index of the ends of each target, in its collation, from a moment that is reckoned once.
                + (SELECT coalesce(sum(ended.count), 0) FROM targets CROSS JOIN LATERAL (
                     SELECT count(*) FROM attempts
                     WHERE attempts.pool = $1 AND attempts.target_name = targets.name COLLATE "default"
                       AND ended_at > (SELECT clock_timestamp() - interval '1 minute')
                       AND submitted_at > (SELECT clock_timestamp()) - interval '1 minute' AND state <> 'refused'
                   ) AS ended WHERE targets.pool = $1)
              ELSE 0 END)::int AS "startedLately",
             ${lanesOf('$1')} AS lanes,
             EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'pool' AND subject = $1) AS "isHeld",
             (SELECT jsonb_build_object('outstandingMax', max(outstanding_max), 'perMinuteMax', max(per_minute_max))
              FROM limit_overrides WHERE pool = $1 AND expires_at > clock_timestamp()) AS overrides,
             (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'name', name, 'outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max,
                       'nextStartAt', ${moment('next_start_at')}, 'admits', admits, 'waitReason', wait_reason,
                       'isHeld', EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'target' AND subject = name),
                       'outstanding', coalesce((SELECT outstanding FROM held WHERE target_name = name), 0),
                       'probing', CASE WHEN admits IS NULL THEN 0 ELSE
                         (SELECT count(*) FROM permits
                          WHERE permits.pool = $1 AND target_name = name AND granted_at >= probing_since) END)), '[]')
              FROM targets WHERE pool = $1) AS targets`,
    values: [pool],
  });
  return only(rows, 'read_holdings');
}

type TargetRow = PoolState['targets'][number] & { readonly waitReason: string | null };

export interface Holdings extends Pick<PoolState, 'now' | 'outstanding' | 'submitting' | 'undelivered' | 'isHeld'> {
  readonly overrides: LimitOverrides;
  readonly throttles: readonly Throttle[];
  /** Starts in the last minute that were not refused. 0 where nothing was. */
  readonly startedLately: number;
  readonly lanes: readonly Lane[];
  readonly targets: readonly TargetRow[];
}
