import { limits } from '../../domain/limits/limits.ts';
import type { Overview, PoolOverview } from '../../domain/overview.ts';
import type { StuckSettings } from '../../domain/stuck.ts';
import { healthWord, readHealth } from '../../domain/target-health.ts';
import type { Database } from '../pool.ts';
import { millis, only } from '../sql.ts';
import { countStuckJobs } from '../stuck/stuck-counts.ts';

interface PoolRow extends Omit<PoolOverview, 'breakers'> {
  /** JSON of domain/target-health.ts by target, of those that had any. */
  readonly health: Readonly<Record<string, unknown>>;
}

interface Read {
  readonly now: number;
  readonly pools: readonly PoolRow[];
  readonly poolCount: number;
  readonly pausedTenants: readonly string[];
}

/** How everything stands: linear in the line and in what is held, and so for once a minute. */
export async function readOverview(db: Database, settings: StuckSettings): Promise<Overview> {
  const [{ rows }, stuck] = await Promise.all([db.query<Read>(overviewSql), countStuckJobs(db, settings)]);
  const { now, pools, poolCount, pausedTenants } = only(rows, 'read_overview');
  return {
    readAt: now,
    pools: pools.map(toPool),
    poolsLeftOut: poolCount - pools.length,
    pausedTenants,
    stuck,
  };
}

function toPool({ health, ...pool }: PoolRow): PoolOverview {
  const breakers = Object.entries(health)
    .map(([target, json]) => ({ target, health: healthWord(readHealth(json)) }))
    .filter((breaker) => breaker.health !== 'healthy')
    .toSorted((one, other) => (one.target < other.target ? -1 : 1));
  return { ...pool, breakers };
}

const overviewSql = `WITH line AS MATERIALIZED (
    SELECT pool, count(*)::int AS waiting, ${millis('min(accepted_at)')} AS oldest FROM tickets WHERE kind <> 'overlap' GROUP BY pool
  ), held AS MATERIALIZED (
    SELECT pool, count(*) FILTER (WHERE zombie_since IS NULL)::int AS live, count(zombie_since)::int AS zombies FROM permits GROUP BY pool
  ), shown AS (
    SELECT pools.id, pools.outstanding_max, pools.working_max, coalesce(line.waiting, 0) AS waiting, line.oldest,
           coalesce(held.live, 0) AS live, coalesce(held.zombies, 0) AS zombies
    FROM pools LEFT JOIN line ON line.pool = pools.id LEFT JOIN held ON held.pool = pools.id
    ORDER BY coalesce(line.waiting, 0) DESC, coalesce(held.live, 0) DESC, pools.id
    LIMIT ${limits.overviewPoolsMax}
  )
  SELECT ${millis('clock_timestamp()')} AS now, (SELECT count(*)::int FROM pools) AS "poolCount",
    (SELECT coalesce(array_agg(subject ORDER BY subject), '{}') FROM (
       SELECT subject FROM pauses_in_force WHERE kind = 'tenant' ORDER BY subject LIMIT ${limits.overviewPoolsMax}) AS tenants) AS "pausedTenants",
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
              'pool', shown.id, 'waiting', shown.waiting, 'oldestSince', shown.oldest, 'live', shown.live, 'zombies', shown.zombies,
              'configured', shown.outstanding_max,
              'limit', least(in_force.outstanding_max, coalesce(shown.working_max, in_force.outstanding_max)),
              'isOverridden', EXISTS (SELECT FROM limit_overrides own WHERE own.pool = shown.id AND own.expires_at > clock_timestamp()),
              'health', (SELECT coalesce(jsonb_object_agg(name, health), '{}') FROM targets
                         WHERE targets.pool = shown.id AND health <> '{}'),
              'pauses', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                  'subject', CASE kind WHEN 'pool' THEN 'pool' ELSE subject END, 'drains', drains, 'reason', left(reason, 200))
                                  ORDER BY kind, subject), '[]')
                         FROM pauses_in_force
                         WHERE kind = 'pool' AND subject = shown.id
                            OR kind = 'target' AND subject IN (SELECT name FROM targets WHERE targets.pool = shown.id)))
            ORDER BY shown.waiting DESC, shown.live DESC, shown.id), '[]')
     FROM shown JOIN limits_in_force in_force ON in_force.pool = shown.id) AS pools`;
