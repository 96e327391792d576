import { limits } from '../../domain/limits/limits.ts';
import type { SpillState } from '../../domain/spill-room.ts';
import type { Database } from '../pool.ts';
import { moment, only } from '../sql.ts';

/** A line that somebody may leave now. */
export interface SpillSource {
  readonly pool: string;
  readonly name: string;
  /** It is drained, or its breakers do not admit everybody: whoever is beyond them leaves, however long they have waited. */
  readonly isOpen: boolean;
}

/**
 * One glance at all lines, without a lock. Nothing to do is the usual answer. Each line is asked for its first by an index,
 * in its order: to see whether there is any, a planner may well read them all. Whoever is held by a tenant's pause is no
 * reason: their flows are out of their line, and `readLeavers` puts off when they would leave. Neither this nor the next is a
 * prepared statement: a plan that was made for a short line, and kept, would read all of a long one.
 */
export async function findSpillSources(db: Database): Promise<readonly SpillSource[]> {
  const { rows } = await db.query<SpillSource>(
    `SELECT pool, name, admits IS NOT NULL OR drained.is AS "isOpen"
           FROM targets
           CROSS JOIN LATERAL (
             SELECT EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'target' AND subject = targets.name AND drains) AS is
             OFFSET 0
           ) AS drained
           WHERE CASE WHEN admits IS NULL AND NOT drained.is
             THEN (SELECT spill_at FROM tickets
                   WHERE tickets.pool = targets.pool AND target_name = targets.name AND NOT parked AND spill_at < 'infinity'
                   ORDER BY spill_at LIMIT 1) <= clock_timestamp()
             ELSE (SELECT true FROM lanes CROSS JOIN LATERAL (
                     SELECT since FROM flows
                     WHERE flows.pool = lanes.pool AND flows.class = lanes.class AND flows.target_name = targets.name AND flows.active
                     ORDER BY tag, since LIMIT 1
                   ) AS first WHERE lanes.pool = targets.pool LIMIT 1) IS NOT NULL
               OR (SELECT id FROM ${newAt('targets')} ORDER BY id LIMIT 1) IS NOT NULL
               OR (SELECT id FROM tickets
                   WHERE tickets.pool = targets.pool AND target_name = targets.name AND tickets.kind = 'overlap' AND NOT parked
                     AND NOT EXISTS (SELECT 1 FROM pauses_in_force p WHERE p.kind = 'tenant' AND p.subject = tickets.tenant)
                   ORDER BY accepted_at NULLS FIRST, id LIMIT 1) IS NOT NULL
             END
           ORDER BY pool, name`,
  );
  return rows;
}

/**
 * What is free at every target and account, and how many wait for it, up to as many as matter. With plans pinned. Counted are
 * flows that are in line, and what has come to it since: whoever is held by a tenant's pause takes no slot, so a hundred
 * thousand of them fill no place and are not read.
 */
export async function readSpillState(db: Database): Promise<SpillState> {
  const { rows } = await db.query<SpillState>(
    `WITH held AS MATERIALIZED (
             SELECT permits.pool, permits.target_name, count(*)::int AS count,
                    (count(*) FILTER (WHERE granted_at >= targets.probing_since))::int AS probing
             FROM permits LEFT JOIN targets ON targets.pool = permits.pool AND targets.name = permits.target_name
             GROUP BY permits.pool, permits.target_name
           )
           SELECT ${moment('statement_timestamp()')} AS now,
             (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'pool', targets.pool, 'name', name, 'admits', admits, 'probing', coalesce(held.probing, 0),
                       'outstanding', coalesce(held.count, 0), 'outstandingMax', outstanding_max,
                       'perMinuteMax', per_minute_max, 'nextStartAt', ${moment('next_start_at')},
                       'isPaused', wait_reason IS NOT DISTINCT FROM 'paused', 'waiting', line.count,
                       'isHeld', wait_reason_of(targets.pool, name, NULL) IS NOT NULL,
                       'isDrained', EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'target' AND subject = name AND drains))), '[]')
              FROM targets LEFT JOIN held ON held.pool = targets.pool AND held.target_name = targets.name
              CROSS JOIN LATERAL (
                SELECT least(${limits.spillWaitingMax}, coalesce(sum(n), 0))::int AS count FROM (
                  (SELECT 1 AS n FROM lanes JOIN flows USING (pool, class) CROSS JOIN LATERAL (
                     SELECT id FROM tickets
                     WHERE tickets.pool = targets.pool AND tickets.target_name = targets.name AND priority = flows.class
                       AND tenant = flows.tenant AND caller = flows.caller AND tickets.kind <> 'overlap' AND NOT parked
                     ORDER BY accepted_at NULLS FIRST, id LIMIT ${limits.spillWaitingMax}
                   ) AS theirs
                   WHERE lanes.pool = targets.pool AND flows.target_name = targets.name AND flows.active
                   LIMIT ${limits.spillWaitingMax})
                  UNION ALL
                  (SELECT n FROM ${newAt('targets')} AND NOT EXISTS (
                     SELECT 1 FROM flows WHERE flows.pool = arrivals.pool AND flows.class = arrivals.class AND flows.tenant = arrivals.tenant
                       AND flows.caller = arrivals.caller AND flows.target_name = arrivals.target_name AND flows.active)
                   LIMIT ${limits.spillWaitingMax})) AS counted
              ) AS line) AS places,
             (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'pool', id, 'outstandingMax', least(limits.outstanding_max, working_max), 'perMinuteMax', limits.per_minute_max,
                       'nextStartAt', ${moment('next_start_at')},
                       'outstanding', coalesce((SELECT sum(held.count) FROM held WHERE held.pool = pools.id), 0))), '[]')
              FROM pools JOIN limits_in_force AS limits ON limits.pool = pools.id) AS accounts`,
  );
  return only(rows, 'read_spill_state');
}

/** Who has come to a place since the last pass, and is not held. No more than a pass folds, or a few times that. */
function newAt(place: string): string {
  return `arrivals
    WHERE arrivals.pool = ${place}.pool AND arrivals.target_name = ${place}.name AND n > 0
      AND NOT EXISTS (SELECT 1 FROM pauses_in_force p WHERE p.kind = 'tenant' AND p.subject = arrivals.tenant)`;
}
