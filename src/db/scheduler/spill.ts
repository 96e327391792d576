import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';
import type { Spill, Spills } from '../../domain/spill.ts';
import { toldOfMoves } from '../mailbox/moved-tickets.ts';
import { chargedBudgets } from './spending.ts';

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
