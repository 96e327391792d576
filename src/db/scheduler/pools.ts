import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export interface PoolLimits {
  readonly id: string;
  readonly provider: string;
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly targets?: readonly TargetLimits[];
}

/** A target's own limits, within those of its pool. Null: the pool's alone. */
export interface TargetLimits {
  readonly name: string;
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
}

/** Seeds the pools and their targets from the catalogue. Limits follow it; what granting has written stays. */
export async function upsertPools(db: Database, pools: readonly PoolLimits[]): Promise<void> {
  await db.query(
    `INSERT INTO pools (id, provider, outstanding_max, per_minute_max)
     SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) AS pool(id, provider, outstanding_max, per_minute_max)
     ORDER BY id
     ON CONFLICT (id) DO UPDATE
     SET outstanding_max = excluded.outstanding_max, per_minute_max = excluded.per_minute_max`,
    [
      pools.map(({ id }) => id),
      pools.map(({ provider }) => provider),
      pools.map(({ outstandingMax }) => outstandingMax),
      pools.map(({ perMinuteMax }) => perMinuteMax),
    ],
  );
  await upsertTargets(
    db,
    pools.flatMap(({ id, targets = [] }) => targets.map((target) => ({ ...target, pool: id }))),
  );
}

/** A target whose limits are as they were is not locked: grants write to its row all the time. */
async function upsertTargets(db: Database, targets: readonly (TargetLimits & { pool: string })[]): Promise<void> {
  await db.query(
    `WITH target AS (
       SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) AS target(pool, name, outstanding_max, per_minute_max)
     ), added AS (
       INSERT INTO targets (pool, name, outstanding_max, per_minute_max) SELECT * FROM target ORDER BY pool, name
       ON CONFLICT DO NOTHING
     )
     UPDATE targets SET outstanding_max = target.outstanding_max, per_minute_max = target.per_minute_max
     FROM target
     WHERE targets.pool = target.pool AND targets.name = target.name
       AND (targets.outstanding_max, targets.per_minute_max) IS DISTINCT FROM (target.outstanding_max, target.per_minute_max)`,
    [
      targets.map(({ pool }) => pool),
      targets.map(({ name }) => name),
      targets.map(({ outstandingMax }) => outstandingMax),
      targets.map(({ perMinuteMax }) => perMinuteMax),
    ],
  );
}

/**
 * Sets the cap on everything that is committed, in millionths of a US dollar; null: none. Nothing is counted while there
 * is no cap, so a new one starts from the ledger: what was spent, also by jobs that were pruned since, and what is held by
 * permits.
 */
export async function setSpendCap(db: Database, capUsdMicros: number | null): Promise<void> {
  await db.query(
    `WITH budget AS (
       SELECT id, cap_usd_micros IS NULL AND $1::bigint IS NOT NULL AS is_new FROM budgets WHERE id = 'global' FOR NO KEY UPDATE
     ), stale AS (
       DELETE FROM refunds USING budget WHERE refunds.budget = budget.id AND budget.is_new
     )
     UPDATE budgets
     SET cap_usd_micros = $1,
         committed_usd_micros = CASE WHEN NOT budget.is_new THEN committed_usd_micros ELSE
           (SELECT coalesce(sum(cost_usd_micros), 0) FROM attempts) + (SELECT coalesce(sum(usd_micros), 0) FROM pruned_usage)
             + (SELECT coalesce(sum(price_usd_micros), 0) FROM permits)
         END
     FROM budget WHERE budgets.id = budget.id`,
    [capUsdMicros],
  );
}

/** The cap that stands, in millionths of a US dollar; null: none. */
export async function findSpendCap(db: Database): Promise<number | null> {
  const { rows } = await db.query<{ cap: number | null }>(
    `SELECT cap_usd_micros::float8 AS cap FROM budgets WHERE id = 'global'`,
  );
  return only(rows, 'budgets').cap;
}
