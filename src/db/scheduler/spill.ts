import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';
import type { Spill, Spills } from '../../domain/spill.ts';
import type { SpillState } from '../../domain/spill-room.ts';
import { toldOfMoves } from '../mailbox/moved-tickets.ts';
import type { Database } from '../pool.ts';
import { chargedBudgets } from './spending.ts';
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

/** A ticket that stands in another line now. */
export interface Moved {
  readonly from: string;
  readonly to: string;
  readonly reason: Spill['reason'];
}

export interface Moves {
  readonly pool: string;
  readonly moves: readonly Spill[];
  /** Tenants whose budgets this pass holds, and by which it has decided. */
  readonly budgeted: readonly string[];
}

/**
 * Carries the choice out. The job is locked before its ticket, as everywhere, and one that somebody is ending at this
 * moment is left to them. Its place in the new line is by its acceptance, as everybody's. What a dearer target asks is
 * reserved at once, so that whoever has moved is not one that can't be paid where it is.
 */
export async function moveTickets(
  connection: pg.PoolClient,
  { pool, moves, budgeted }: Moves,
): Promise<readonly Moved[]> {
  const { rows } = await connection.query<Moved>({
    name: 'move_tickets',
    text: `WITH locked AS MATERIALIZED (
             SELECT chosen.*, tickets.target_name AS from_name, jobs.route -> chosen.target AS goal,
                    coalesce(tickets.reserved_usd_micros, 0) AS reserved_before,
                    jobs.dispatched_at IS NOT NULL AS has_workflow
             FROM unnest($2::bigint[], $3::int[], $4::text[]) AS chosen(id, target, reason)
             JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
             WHERE tickets.pool = $1 AND NOT tickets.parked AND jobs.finished_at IS NULL AND jobs.cancel_requested_at IS NULL
             FOR NO KEY UPDATE OF jobs SKIP LOCKED
           ), moved AS (
             UPDATE tickets
             SET pool = goal ->> 'pool', target = locked.target, target_name = goal ->> 'name',
                 price_usd_micros = (goal ->> 'priceUsdMicros')::bigint, over_budget = false, told_refusal = NULL,
                 reserved_usd_micros = CASE WHEN tickets.tenant = ANY ($5::text[])
                   THEN greatest(tickets.reserved_usd_micros, (goal ->> 'priceUsdMicros')::bigint)
                   ELSE tickets.reserved_usd_micros END,
                 spill_at = coalesce(
                   statement_timestamp() + (goal ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
             FROM locked WHERE tickets.id = locked.id
             RETURNING tickets.job, tickets.attempt, tickets.target, from_name, tickets.target_name, locked.reason,
                       locked.has_workflow, tickets.tenant,
                       budget_day(tickets.accepted_at) AS day, tickets.reserved_usd_micros - reserved_before AS usd_micros
           ), raised AS (
             SELECT tenant, day, sum(usd_micros) AS usd_micros FROM moved WHERE tenant = ANY ($5::text[])
             GROUP BY 1, 2
             -- Other days of the same tenant are not held.
             HAVING sum(usd_micros) > 0
           ), ${chargedBudgets}, ${toldOfMoves}
           SELECT from_name AS "from", target_name AS "to", reason
           FROM moved, append_event(job, 'attempt.moved', jsonb_build_object(
             'attempt', attempt, 'from', from_name, 'to', target_name, 'reason', reason))`,
    values: [
      pool,
      moves.map(({ id }) => id),
      moves.map(({ index }) => index),
      moves.map(({ reason }) => reason),
      budgeted,
    ],
  });
  return rows;
}

/**
 * What else a pass has come to: who has nowhere to go is not looked at again, who can't be paid for elsewhere not for a
 * while, and who has left was served.
 */
export async function noteSpills(
  connection: pg.PoolClient,
  { pool, spills }: { readonly pool: string; readonly spills: Omit<Spills, 'moves'> },
): Promise<void> {
  await connection.query({
    name: 'note_spills',
    text: `WITH stranded AS (
             UPDATE tickets SET spill_at = 'infinity'
             WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE id = ANY ($2::bigint[]) AND pool = $1 AND spill_at < 'infinity'
                                   FOR NO KEY UPDATE SKIP LOCKED))
           ), postponed AS (
             UPDATE tickets SET spill_at = greatest(
               spill_at, statement_timestamp() + ${limits.overBudgetParkMs} * interval '1 millisecond')
             WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE id = ANY ($6::bigint[]) AND pool = $1 AND spill_at < 'infinity'
                                   FOR NO KEY UPDATE SKIP LOCKED))
           ), served_lanes AS (
             UPDATE lanes SET virtual_time = lane."virtualTime", tag = lane.tag
             FROM jsonb_to_recordset($3::jsonb) AS lane(class smallint, "virtualTime" float8, tag float8)
             WHERE lanes.pool = $1 AND lanes.class = lane.class
           ), charged AS (
             UPDATE shares SET tag = share.tag
             FROM jsonb_to_recordset($5::jsonb) AS share(class smallint, tenant text, tag float8)
             WHERE shares.pool = $1 AND shares.class = share.class AND shares.tenant = share.tenant
           )
           UPDATE flows SET tag = flow.tag
           FROM jsonb_to_recordset($4::jsonb) AS flow(class smallint, tenant text, caller text, tag float8)
           WHERE flows.pool = $1 AND flows.class = flow.class AND flows.tenant = flow.tenant AND flows.caller = flow.caller`,
    values: [
      pool,
      spills.stranded,
      JSON.stringify(spills.lanes),
      JSON.stringify(spills.flows),
      JSON.stringify(spills.shares),
      spills.unaffordable,
    ],
  });
}

/** Who has come to a place since the last pass, and is not held. No more than a pass folds, or a few times that. */
function newAt(place: string): string {
  return `arrivals
    WHERE arrivals.pool = ${place}.pool AND arrivals.target_name = ${place}.name AND n > 0
      AND NOT EXISTS (SELECT 1 FROM pauses_in_force p WHERE p.kind = 'tenant' AND p.subject = arrivals.tenant)`;
}
