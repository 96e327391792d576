import type { Lane } from '../../domain/lanes.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { LineShare } from '../../domain/line-share.ts';
import type { Database } from '../pool.ts';
import { lanesOf, only } from '../sql.ts';

/** A pool and who waits for it. Its cost grows with the flows that wait, so it is read now and then only. */
export interface StoredLine {
  /** As learned, or as configured. Null: nothing is known of that pool. */
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  readonly lanes: readonly Lane[];
  readonly targets: readonly StoredLineTarget[];
  readonly shares: readonly StoredShare[];
}

export interface StoredLineTarget {
  readonly name: string;
  readonly waitReason: string | null;
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  /** JSON of domain/durations.ts. */
  readonly durations: unknown;
  readonly zombies: number;
  /** Milliseconds since their starts, drawn together where they are close, with how many there are of each. */
  readonly underWay: readonly (readonly [ageMs: number, count: number])[];
  /** Milliseconds of the database's clock, with what had been granted by then; the oldest first. */
  readonly drained: readonly (readonly [at: number, grantedTotal: number])[];
}

export interface StoredShare extends LineShare {
  /** The target that waits for reasons of its own. Null: the line that the others share. */
  readonly target: string | null;
}

/** Why a target is passed over while others of its pool are served: its line is one of its own. */
export const ownReasons: readonly string[] = ['operator', 'breaker', 'target_capacity', 'target_rate'];

/** How finely a tenant's flows are told apart: by how far they are from their turn, and by how deep they are. */
const groupsOfDistance = 6;
const groupsOfDepth = 3;

/**
 * Flows that arrived and have not been folded yet count as if they were. A flow is one, whatever targets it waits for.
 * Not a prepared statement: its plan has to follow tables that grow from nothing to a hundred thousand rows in a minute.
 */
export async function readLine(db: Database, pool: string): Promise<StoredLine> {
  const { rows } = await db.query<StoredLine>(lineSql, [pool, ownReasons]);
  return only(rows, 'read_line');
}

/** Notes what the targets that somebody waits for have been granted, and forgets what is too old to tell anything. */
export async function sampleDrains(db: Database): Promise<void> {
  await db.query(
    `WITH old AS (
       DELETE FROM drains WHERE at < clock_timestamp() - interval '${limits.drainWindowMs} milliseconds'
     )
     INSERT INTO drains (pool, target_name, at, granted_total)
     SELECT pool, name, clock_timestamp(), granted_total FROM targets
     WHERE EXISTS (SELECT 1 FROM lanes JOIN flows USING (pool, class)
                   WHERE lanes.pool = targets.pool AND flows.target_name = targets.name AND flows.active)
     ON CONFLICT DO NOTHING`,
  );
}

const group = `'flows', flows, 'waiting', waiting, 'tagMin', tag_min, 'tagMax', tag_max, 'sinceMin', since_min, 'sinceMax', since_max`;

const lineSql = `
  WITH line AS MATERIALIZED (
    SELECT targets.name, targets.target, lanes.class, several.are AS are_several
    FROM (SELECT name, CASE WHEN wait_reason_of(pool, name, wait_reason) = ANY ($2) THEN name END AS target
          FROM targets WHERE pool = $1) AS targets
    JOIN lanes ON lanes.pool = $1
    CROSS JOIN (SELECT count(*) > 1 AS are FROM targets
                WHERE pool = $1 AND NOT coalesce(wait_reason_of(pool, name, wait_reason) = ANY ($2), false)) AS several
  ), arrived AS (
    SELECT arrivals.class, line.target, arrivals.tenant, sum(n) AS n, min(id) AS since
    FROM (SELECT * FROM arrivals WHERE pool = $1 ORDER BY id LIMIT 5000) AS arrivals
    LEFT JOIN line ON line.name = arrivals.target_name AND line.class = arrivals.class
    WHERE NOT EXISTS (
      SELECT 1 FROM flows WHERE flows.pool = $1 AND flows.class = arrivals.class AND flows.tenant = arrivals.tenant
        AND flows.caller = arrivals.caller AND flows.target_name = arrivals.target_name AND flows.active)
    GROUP BY arrivals.class, line.target, arrivals.tenant, caller HAVING sum(n) > 0
  ), waiting AS (
    SELECT line.class, line.target, flows.tenant, flows.tag, flows.since, false AS is_new,
           greatest(flows.waiting, 1) + coalesce(besides.waiting, 0) AS n
    FROM line JOIN flows ON flows.pool = $1 AND flows.class = line.class AND flows.target_name = line.name AND flows.active
    -- A flow that waits for several targets is one.
    LEFT JOIN LATERAL (
      SELECT sum(greatest(other.waiting, 1)) AS waiting, min(other.since) AS since
      FROM flows other JOIN line shared ON shared.name = other.target_name AND shared.class = other.class AND shared.target IS NULL
      WHERE line.are_several AND line.target IS NULL AND other.active AND other.pool = $1 AND other.class = flows.class
        AND other.tenant = flows.tenant AND other.caller = flows.caller AND other.target_name <> flows.target_name
    ) AS besides ON line.are_several
    WHERE besides.since IS NULL OR flows.since <= besides.since
    UNION ALL
    -- As they will be folded: they take the next tags of their tenants, in the order in which they came.
    SELECT class, target, tenant, greatest(lanes.tag, shares.tag, 0)
             + (row_number() OVER (PARTITION BY class, tenant ORDER BY since) - 1) / coalesce(tenants.weight, 1),
           since, true, n
    FROM arrived
    LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
    LEFT JOIN (SELECT class, tenant, tag FROM shares WHERE pool = $1) AS shares USING (class, tenant)
    LEFT JOIN tenants ON tenants.id = tenant
  ), grouped AS (
    SELECT class, target, tenant, count(*) AS flows, sum(n) AS waiting, min(waiting.tag) AS tag_min, max(waiting.tag) AS tag_max,
           min(since) AS since_min, max(since) AS since_max, count(*) FILTER (WHERE is_new) AS newcomers
    FROM waiting LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
    GROUP BY class, target, tenant, floor(ln(1 + greatest(waiting.tag - coalesce(lanes.tag, 0), 0)) * ${groupsOfDistance}),
             CASE WHEN n <= 4 THEN n ELSE 4 + floor(ln(n::float8 / 4) * ${groupsOfDepth}) END
  ), shared AS (
    SELECT class, target, tenant, coalesce(max(tenants.weight), 1) AS weight,
           greatest(max(lanes.tag), max(shares.tag), 0) + sum(newcomers)::float8 / coalesce(max(tenants.weight), 1) AS clock,
           sum(flows) AS flows, sum(waiting) AS waiting, min(tag_min) AS tag_min, max(tag_max) AS tag_max,
           min(since_min) AS since_min, max(since_max) AS since_max,
           json_agg(json_build_object(${group}) ORDER BY tag_min, tag_max) AS groups
    FROM grouped
    LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
    LEFT JOIN (SELECT class, tenant, tag FROM shares WHERE pool = $1) AS shares USING (class, tenant)
    LEFT JOIN tenants ON tenants.id = tenant
    GROUP BY class, target, tenant
  )
  SELECT least(working_max, limits.outstanding_max) AS "outstandingMax", limits.per_minute_max AS "perMinuteMax",
    ${lanesOf('$1')} AS lanes,
    (SELECT coalesce(json_agg(json_build_object(${group},
              'class', class, 'target', target, 'tenant', tenant, 'weight', weight, 'clock', clock, 'groups', groups)), '[]')
     FROM shared) AS shares,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
              'name', name, 'waitReason', wait_reason_of(pool, name, wait_reason), 'outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max,
              'durations', durations, 'zombies', held.zombies, 'underWay', held.ages, 'drained', samples.drained)), '[]')
     FROM targets
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(count) FILTER (WHERE is_zombie), 0) AS zombies,
              coalesce(jsonb_agg(jsonb_build_array(age_ms, count)) FILTER (WHERE NOT is_zombie), '[]') AS ages
       FROM (
         SELECT zombie_since IS NOT NULL AS is_zombie, avg(ms) AS age_ms, count(*) AS count FROM (
           SELECT zombie_since, greatest(extract(epoch FROM clock_timestamp() - start_at)::float8 * 1000, 0) AS ms
           FROM permits WHERE permits.pool = $1 AND permits.target_name = targets.name
         ) AS permit
         GROUP BY 1, round(ln(greatest(ms, 50)) * 20)
       ) AS aged
     ) AS held
     CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(jsonb_build_array(extract(epoch FROM at) * 1000, granted_total) ORDER BY at), '[]') AS drained
       FROM drains WHERE drains.pool = $1 AND drains.target_name = targets.name
     ) AS samples
     WHERE targets.pool = $1) AS targets
  FROM (VALUES ($1)) AS asked (id) LEFT JOIN pools USING (id) LEFT JOIN limits_in_force AS limits ON limits.pool = pools.id`;
