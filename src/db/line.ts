import type { Lane } from '../domain/fair-order.ts';
import { limits } from '../domain/limits.ts';
import type { FlowGroup } from '../domain/place.ts';
import type { Database } from './pool.ts';
import { only } from './sql.ts';

/** A pool and who waits for it. Its cost grows with the flows that wait, so it is read now and then only. */
export interface StoredLine {
  /** As learned, or as configured. Null: nothing is known of that pool. */
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  readonly lanes: readonly Lane[];
  readonly targets: readonly StoredLineTarget[];
  readonly groups: readonly StoredGroup[];
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

export interface StoredGroup extends FlowGroup {
  /** The target that waits for reasons of its own. Null: the line that the others share. */
  readonly target: string | null;
}

/** Why a target is passed over while others of its pool are served: its line is one of its own. */
export const ownReasons: readonly string[] = ['breaker', 'target_capacity', 'target_rate'];

/** How finely flows are told apart: by their distance from the first of their group, and by how deep they are. */
const groupsOfDistance = 50;
const groupsOfDepth = 4;
const groupsOfTurn = 8;

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

const lineSql = `
  WITH line AS MATERIALIZED (
    SELECT targets.name, targets.target, lanes.class, lanes.tag, several.are AS are_several,
           -- The head of the line: groups are finest around it.
           (SELECT since FROM flows
            WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = targets.name AND flows.active
            ORDER BY flows.tag, since LIMIT 1) AS head
    FROM (SELECT name, CASE WHEN wait_reason = ANY ($2) THEN name END AS target FROM targets WHERE pool = $1) AS targets
    JOIN lanes ON lanes.pool = $1
    CROSS JOIN (SELECT count(*) > 1 AS are FROM targets WHERE pool = $1 AND NOT coalesce(wait_reason = ANY ($2), false)) AS several
  ), waiting AS (
    -- A tenant's users take turns: each has a part of its share.
    SELECT line.class, line.target, flows.weight / count(*) OVER (PARTITION BY line.class, flows.tenant) AS weight, flows.tag, flows.since,
           greatest(flows.waiting, 1) + coalesce(besides.waiting, 0) AS n, line.tag AS lane_tag, flows.since - line.head AS distance
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
    SELECT arrived.class, line.target, coalesce(max(tenants.weight), 1), coalesce(max(line.tag), 0), min(arrived.id),
           sum(n), coalesce(max(line.tag), 0), 0
    FROM (SELECT * FROM arrivals WHERE pool = $1 ORDER BY id LIMIT 5000) AS arrived
    LEFT JOIN line ON line.name = arrived.target_name AND line.class = arrived.class
    LEFT JOIN tenants ON tenants.id = arrived.tenant
    WHERE NOT EXISTS (
      SELECT 1 FROM flows WHERE flows.pool = $1 AND flows.class = arrived.class AND flows.tenant = arrived.tenant
        AND flows.caller = arrived.caller AND flows.target_name = arrived.target_name AND flows.active)
    GROUP BY arrived.class, line.target, tenant, caller HAVING sum(n) > 0
  ), grouped AS (
    SELECT class, target, weight, count(*) AS flows, sum(n) AS waiting,
           min(tag) AS tag_min, max(tag) AS tag_max, min(since) AS since_min, max(since) AS since_max
    FROM waiting
    GROUP BY class, target, weight, greatest(-64, least(64, floor((tag - lane_tag) * weight * ${groupsOfTurn}))),
             sign(distance) * floor(ln(1 + abs(distance)::float8) * ${groupsOfDistance}),
             CASE WHEN n <= 4 THEN n ELSE 4 + floor(ln(n::float8 / 4) * ${groupsOfDepth}) END
  )
  SELECT coalesce(working_max, outstanding_max) AS "outstandingMax", per_minute_max AS "perMinuteMax",
    (SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
     FROM lanes WHERE pool = $1) AS lanes,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
              'class', class, 'target', target, 'weight', weight, 'flows', flows, 'waiting', waiting,
              'tagMin', tag_min, 'tagMax', tag_max, 'sinceMin', since_min, 'sinceMax', since_max)), '[]') FROM grouped) AS groups,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
              'name', name, 'waitReason', wait_reason, 'outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max,
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
  FROM (VALUES ($1)) AS asked (id) LEFT JOIN pools USING (id)`;
