import type pg from 'pg';
import type { Flow } from '../../domain/fair-order.ts';
import type { WaitingOverlap, WaitingTicket } from '../../domain/grants.ts';
import { only } from '../sql.ts';

export interface HeadsQuery {
  readonly pool: string;
  /** Targets that may be granted at: of the others one head is read, to say why it waits. */
  readonly targets: readonly string[];
  readonly headsMax: number;
}

/** Many more than a pass grants: those that can't go, by their target or the failover budget, hide nobody behind them. */
const overlapsReadMax = 500;

export interface Heads {
  readonly flows: readonly Flow<WaitingTicket>[];
  readonly overlaps: readonly WaitingOverlap[];
}

/** Tickets as columns: to build an object of each costs Postgres more than to find them. */
interface FlowRow extends Omit<Flow<WaitingTicket>, 'heads'> {
  readonly ids: readonly string[] | null;
  readonly prices: readonly (number | null)[] | null;
}

/**
 * The next flows of each class and target, each with as many tickets as may be its turn: its part of what its tenant has of
 * the pass, and one more.
 */
export async function readHeads(connection: pg.PoolClient, { pool, targets, headsMax }: HeadsQuery): Promise<Heads> {
  const { rows } = await connection.query<{ flows: readonly FlowRow[]; overlaps: Heads['overlaps'] }>({
    name: 'read_heads',
    text: `SELECT
             (SELECT coalesce(json_agg(json_build_object(
                'class', next.class, 'tenant', next.tenant, 'caller', next.caller, 'target', next.target_name,
                'weight', next.weight, 'tag', next.tag, 'tenantTag', coalesce(
                  (SELECT tag FROM shares WHERE shares.pool = $1 AND shares.class = next.class AND shares.tenant = next.tenant),
                  next.tag), 'ids', line.ids, 'prices', line.prices,
                'hasMore', line.count >= next.heads_max) ORDER BY next.since), '[]')
              FROM lanes
              JOIN targets ON targets.pool = $1
              CROSS JOIN LATERAL (
                SELECT own.*, ceil($3 * share / sum(share) OVER ())::int + 1 AS heads_max
                FROM (SELECT *, weight / count(*) OVER (PARTITION BY tenant) AS share FROM (
                  SELECT flows.class, flows.tenant, flows.caller, flows.target_name, flows.tag, flows.since,
                         -- As it is now: what was noted of it when they came may be old.
                         coalesce((SELECT weight FROM tenants WHERE tenants.id = flows.tenant), 1) AS weight
                  FROM flows
                  WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = targets.name AND flows.active
                  ORDER BY flows.tag, flows.since
                  LIMIT CASE WHEN targets.name = ANY ($2::text[]) THEN $3 ELSE 1 END
                ) AS first
                -- Behind the limit: who is paused is taken out of the way by another statement, and not looked past here.
                WHERE NOT EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant' AND subject = first.tenant)) AS own
              ) AS next
              CROSS JOIN LATERAL (
                SELECT count(*) AS count, json_agg(id::text) AS ids, json_agg(price_usd_micros) AS prices
                FROM (
                  SELECT id, price_usd_micros FROM tickets
                  WHERE pool = $1 AND target_name = next.target_name AND priority = next.class AND tenant = next.tenant
                    AND caller = next.caller AND kind <> 'overlap' AND NOT parked
                  ORDER BY accepted_at NULLS FIRST, id
                  LIMIT next.heads_max
                ) AS oldest
              ) AS line
              WHERE lanes.pool = $1) AS flows,
             (SELECT coalesce(json_agg(json_build_object(
                'id', id::text, 'priceUsdMicros', price_usd_micros, 'target', target_name,
                'isWaived', EXISTS (SELECT 1 FROM targets WHERE targets.name = left_target AND targets.admits IS NOT NULL))
                ORDER BY accepted_at, id), '[]')
              FROM (
                SELECT * FROM tickets WHERE pool = $1 AND kind = 'overlap' AND NOT parked
                  AND NOT EXISTS (SELECT 1 FROM pauses_in_force WHERE pauses_in_force.kind = 'tenant' AND subject = tickets.tenant)
                ORDER BY accepted_at NULLS FIRST, id LIMIT ${overlapsReadMax}
              ) AS second) AS overlaps`,
    values: [pool, targets, headsMax],
  });
  const { flows, overlaps } = only(rows, 'read_heads');
  return { flows: flows.map(withHeads), overlaps };
}

function withHeads({ ids, prices, ...flow }: FlowRow): Flow<WaitingTicket> {
  return { ...flow, heads: (ids ?? []).map((id, index) => ({ id, priceUsdMicros: prices?.[index] ?? null })) };
}
