import type { Database } from '../pool.ts';
import { iso } from '../sql.ts';

/** A pool as an operator sees it. */
export interface PoolControl {
  readonly pool: string;
  readonly provider: string;
  /** As the catalogue says. */
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly override: LimitOverride | null;
  /** What was in force when last granted: less where the account has refused. Null: nothing was granted yet. */
  readonly workingMax: number | null;
  readonly isPaused: boolean;
  /** Permits, of which zombies. */
  readonly held: number;
  readonly zombies: number;
  readonly waiting: number;
  readonly targets: readonly TargetControl[];
}

/** Moments as text of ISO 8601: they come as JSON. */
export interface LimitOverride {
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
  readonly expiresAt: string;
}

export interface TargetControl {
  readonly name: string;
  readonly state: 'open' | 'paused' | 'draining';
  /** How many attempts its breakers admit at once. Null: any number. */
  readonly admits: number | null;
  readonly held: number;
  readonly waiting: number;
  readonly waitReason: string | null;
}

/** Every pool, with who waits: as much as there are flows, so not for the path of a request of callers'. */
export async function readPoolControls(db: Database): Promise<readonly PoolControl[]> {
  const { rows } = await db.query<PoolControl>({ name: 'read_pool_controls', text: controlsSql });
  return rows;
}

const controlsSql = `
  WITH held AS MATERIALIZED (
    SELECT pool, target_name, count(*)::int AS held, count(zombie_since)::int AS zombies FROM permits GROUP BY 1, 2
  ), line AS MATERIALIZED (
    SELECT pool, target_name, sum(greatest(waiting, 0))::int AS waiting FROM flows WHERE active OR held GROUP BY 1, 2
  )
  SELECT pools.id AS pool, provider, outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax",
         working_max AS "workingMax",
         EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'pool' AND subject = pools.id) AS "isPaused",
         (SELECT jsonb_build_object('outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max, 'actor', actor,
                   'reason', reason, 'at', ${iso('at')}, 'expiresAt', ${iso('expires_at')})
          FROM limit_overrides WHERE limit_overrides.pool = pools.id AND expires_at > clock_timestamp()) AS override,
         coalesce((SELECT sum(held) FROM held WHERE held.pool = pools.id), 0)::int AS held,
         coalesce((SELECT sum(zombies) FROM held WHERE held.pool = pools.id), 0)::int AS zombies,
         coalesce((SELECT sum(waiting) FROM line WHERE line.pool = pools.id), 0)::int AS waiting,
         (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'name', name, 'admits', admits, 'waitReason', wait_reason_of(targets.pool, name, wait_reason),
                   'state', coalesce((SELECT CASE WHEN drains THEN 'draining' ELSE 'paused' END FROM pauses_in_force
                                      WHERE kind = 'target' AND subject = name), 'open'),
                   'held', coalesce(held.held, 0), 'waiting', coalesce(line.waiting, 0)) ORDER BY name), '[]')
          FROM targets
          LEFT JOIN held ON held.pool = targets.pool AND held.target_name = name
          LEFT JOIN line ON line.pool = targets.pool AND line.target_name = name
          WHERE targets.pool = pools.id) AS targets
  FROM pools ORDER BY pools.id`;
