import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';
import { toldOfMoves } from '../mailbox/moved-tickets.ts';

/**
 * What becomes of tickets that their tenants' budgets have no room for. One that has waited for a target that it was paid
 * for, or may still wait for such a one, goes there: what was accepted is never held up by what became dearer since. The
 * others are taken out of the line for a while, and with them those of their flows that need as much: nobody behind them is
 * held up by that, and what comes back to a budget comes by the second, not by the pass.
 */
export async function setOverBudgetAside(connection: pg.PoolClient, tickets: readonly string[]): Promise<void> {
  const { rows } = await connection.query<{ id: string }>({
    name: 'return_over_budget',
    text: returnSql,
    values: [tickets],
  });
  const returned = new Set(rows.map(({ id }) => id));
  const others = tickets.filter((id) => !returned.has(id));
  if (others.length > 0) await connection.query({ name: 'park_over_budget', text: parkSql, values: [others] });
}

/** The job is locked before its ticket, as everywhere; one that somebody else has at the moment is parked. */
const returnSql = `
  WITH locked AS MATERIALIZED (
    SELECT tickets.id AS ticket, jobs.id AS job, jobs.route, jobs.dispatched_at IS NOT NULL AS has_workflow
    FROM unnest($1::bigint[]) AS over(id) JOIN tickets ON tickets.id = over.id JOIN jobs ON jobs.id = tickets.job
    WHERE tickets.kind <> 'overlap' AND tickets.reserved_usd_micros > 0
      AND jobs.finished_at IS NULL AND jobs.cancel_requested_at IS NULL
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
  ), chosen AS MATERIALIZED (
    SELECT locked.ticket, locked.has_workflow, tickets.target_name AS from_name, goal.entry, goal.index
    FROM locked JOIN tickets ON tickets.id = locked.ticket
    CROSS JOIN LATERAL (
      SELECT entry, n - 1 AS index
      FROM jsonb_array_elements(locked.route) WITH ORDINALITY AS target(entry, n)
      WHERE n - 1 <> tickets.target AND (entry ->> 'priceUsdMicros')::bigint <= tickets.reserved_usd_micros
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = locked.job AND a.target = n - 1)
        AND NOT EXISTS (SELECT 1 FROM permits p WHERE p.job = locked.job AND p.target = n - 1)
        AND wait_reason_of(entry ->> 'pool', entry ->> 'name', NULL) IS NULL
      ORDER BY n LIMIT 1
    ) AS goal
  ), moved AS (
    UPDATE tickets
    SET pool = entry ->> 'pool', target = chosen.index, target_name = entry ->> 'name',
        price_usd_micros = (entry ->> 'priceUsdMicros')::bigint, over_budget = false, told_refusal = NULL,
        spill_at = coalesce(statement_timestamp() + (entry ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
    FROM chosen WHERE tickets.id = chosen.ticket
    RETURNING tickets.id, tickets.job, tickets.attempt, tickets.target, from_name, tickets.target_name, has_workflow
  ), ${toldOfMoves}
  SELECT moved.id::text FROM moved, append_event(job, 'attempt.moved', jsonb_build_object(
    'attempt', attempt, 'from', from_name, 'to', target_name, 'reason', 'budget'))`;

/** As far as a pass looks through a flow for others that can't be paid: in vain for each of them again. */
const flowLookMax = 1_000;

const parkSql = `
  WITH over AS MATERIALIZED (
    SELECT pool, target_name, priority, tenant, caller, budget_day(accepted_at) AS day,
           min(price_usd_micros - coalesce(reserved_usd_micros, 0)) AS missing
    FROM tickets WHERE id = ANY ($1::bigint[]) AND kind <> 'overlap'
    GROUP BY 1, 2, 3, 4, 5, 6
  ), alike AS MATERIALIZED (
    SELECT oldest.id FROM over CROSS JOIN LATERAL (
      SELECT id, accepted_at, price_usd_micros AS missing, reserved_usd_micros FROM tickets
      WHERE pool = over.pool AND target_name = over.target_name AND priority = over.priority AND tenant = over.tenant
        AND caller = over.caller AND kind <> 'overlap' AND NOT parked
      ORDER BY accepted_at NULLS FIRST, id LIMIT ${flowLookMax}
    ) AS oldest
    -- Whoever has something reserved may have somewhere to go: they are asked one by one.
    WHERE coalesce(oldest.reserved_usd_micros, 0) = 0 AND oldest.missing >= over.missing
      AND budget_day(oldest.accepted_at) = over.day
  )
  UPDATE tickets
  SET parked = true, over_budget = true, not_before = clock_timestamp() + ${limits.overBudgetParkMs} * interval '1 millisecond'
  WHERE id = ANY (ARRAY(SELECT id FROM tickets
                        WHERE id = ANY ($1::bigint[] || ARRAY(SELECT id FROM alike)) FOR NO KEY UPDATE SKIP LOCKED))`;
