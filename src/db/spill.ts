import type pg from 'pg';
import type { Flow } from '../domain/fair-order.ts';
import type { Lane } from '../domain/lanes.ts';
import { limits } from '../domain/limits.ts';
import type { Spill, SpillOverlap, Spills, SpillTicket } from '../domain/spill.ts';
import type { SpillState } from '../domain/spill-room.ts';
import type { Database } from './pool.ts';
import { lanesOf, moment, only } from './sql.ts';

/** A line that somebody may leave now. */
export interface SpillSource {
  readonly pool: string;
  readonly name: string;
  /** Its breakers do not admit everybody: whoever is beyond them leaves, however long they have waited. */
  readonly isOpen: boolean;
}

/**
 * One glance at all lines, without a lock. Nothing to do is the usual answer. Each line is asked for its first by an index,
 * in its order: to see whether there is any, a planner may well read them all. Neither this nor the next is a prepared
 * statement: a plan that was made for a short line, and kept, would read all of a long one.
 */
export async function findSpillSources(db: Database): Promise<readonly SpillSource[]> {
  const { rows } = await db.query<SpillSource>(
    `SELECT pool, name, admits IS NOT NULL AS "isOpen"
           FROM targets
           WHERE CASE WHEN admits IS NULL
             THEN (SELECT spill_at FROM tickets
                   WHERE tickets.pool = targets.pool AND target_name = targets.name AND NOT parked AND spill_at < 'infinity'
                   ORDER BY spill_at LIMIT 1) <= clock_timestamp()
             ELSE (SELECT id FROM tickets
                   WHERE tickets.pool = targets.pool AND target_name = targets.name AND kind <> 'overlap' AND NOT parked
                   ORDER BY priority, tenant, caller LIMIT 1) IS NOT NULL
               OR (SELECT id FROM tickets
                   WHERE tickets.pool = targets.pool AND target_name = targets.name AND kind = 'overlap' AND NOT parked
                   ORDER BY accepted_at, id LIMIT 1) IS NOT NULL
             END
           ORDER BY pool, name`,
  );
  return rows;
}

/** What is free at every target and account, and how many wait for it, up to as many as matter. With plans pinned. */
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
                       'isPaused', wait_reason IS NOT DISTINCT FROM 'paused', 'waiting', line.count)), '[]')
              FROM targets LEFT JOIN held ON held.pool = targets.pool AND held.target_name = targets.name
              CROSS JOIN LATERAL (
                SELECT count(*) FROM (
                  SELECT 1 FROM tickets
                  WHERE tickets.pool = targets.pool AND tickets.target_name = targets.name AND kind <> 'overlap' AND NOT parked
                  LIMIT ${limits.spillWaitingMax}) AS waiting
              ) AS line) AS places,
             (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'pool', id, 'outstandingMax', least(outstanding_max, working_max), 'perMinuteMax', per_minute_max,
                       'nextStartAt', ${moment('next_start_at')},
                       'outstanding', coalesce((SELECT sum(held.count) FROM held WHERE held.pool = pools.id), 0))), '[]')
              FROM pools) AS accounts`,
  );
  return only(rows, 'read_spill_state');
}

export interface LeaversQuery {
  readonly pool: string;
  readonly sources: readonly SpillSource[];
}

export interface Leavers {
  readonly lanes: readonly Lane[];
  readonly flows: readonly Flow<SpillTicket>[];
  readonly overlaps: readonly SpillOverlap[];
}

interface LeaverRow extends SpillTicket, Omit<Flow<SpillTicket>, 'heads' | 'hasMore'> {
  readonly isOverlap: boolean;
}

/**
 * Who may leave these lines, under the pool's lock: of the flows whose turn is next the oldest, and whoever has waited the
 * longest, for these are found also behind flows of which nobody may leave. A flow that turns out to be empty is put to
 * rest, or those that have left would hide who is behind them.
 */
export async function readLeavers(connection: pg.PoolClient, { pool, sources }: LeaversQuery): Promise<Leavers> {
  const { rows } = await connection.query<{ lanes: readonly Lane[]; leavers: readonly LeaverRow[] }>({
    name: 'read_leavers',
    text: leaversSql,
    values: [pool, sources.map(({ name }) => name), sources.map(({ isOpen }) => isOpen), limits.spillsOfPassMax],
  });
  const { lanes, leavers } = only(rows, 'read_leavers');
  return { lanes, flows: flowsOf(leavers), overlaps: leavers.filter(({ isOverlap }) => isOverlap) };
}

function flowsOf(leavers: readonly LeaverRow[]): readonly Flow<SpillTicket>[] {
  const flows = new Map<string, Flow<SpillTicket>>();
  for (const { isOverlap, id, options, ...flow } of leavers) {
    if (isOverlap) continue;
    const key = JSON.stringify([flow.class, flow.tenant, flow.caller, flow.target]);
    const heads = [...(flows.get(key)?.heads ?? []), { id, options }];
    flows.set(key, { ...flow, heads, hasMore: true });
  }
  return [...flows.values()];
}

/** A ticket that stands in another line now. */
export interface Moved {
  readonly from: string;
  readonly to: string;
  readonly reason: Spill['reason'];
}

/**
 * Carries the choice out. The job is locked before its ticket, as everywhere, and one that somebody is ending at this
 * moment is left to them. Its place in the new line is by its acceptance, as everybody's.
 */
export async function moveTickets(
  connection: pg.PoolClient,
  { pool, moves }: { readonly pool: string; readonly moves: readonly Spill[] },
): Promise<readonly Moved[]> {
  const { rows } = await connection.query<Moved>({
    name: 'move_tickets',
    text: `WITH locked AS MATERIALIZED (
             SELECT chosen.*, tickets.target_name AS from_name, jobs.route -> chosen.target AS goal
             FROM unnest($2::bigint[], $3::int[], $4::text[]) AS chosen(id, target, reason)
             JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
             WHERE tickets.pool = $1 AND NOT tickets.parked AND jobs.finished_at IS NULL AND jobs.cancel_requested_at IS NULL
             FOR NO KEY UPDATE OF jobs SKIP LOCKED
           ), moved AS (
             UPDATE tickets
             SET pool = goal ->> 'pool', target = locked.target, target_name = goal ->> 'name',
                 price_usd_micros = (goal ->> 'priceUsdMicros')::bigint, over_budget = false,
                 spill_at = coalesce(
                   statement_timestamp() + (goal ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
             FROM locked WHERE tickets.id = locked.id
             RETURNING tickets.job, tickets.attempt, from_name, tickets.target_name, locked.reason
           )
           SELECT from_name AS "from", target_name AS "to", reason
           FROM moved, append_event(job, 'attempt.moved', jsonb_build_object(
             'attempt', attempt, 'from', from_name, 'to', target_name, 'reason', reason))`,
    values: [pool, moves.map(({ id }) => id), moves.map(({ index }) => index), moves.map(({ reason }) => reason)],
  });
  return rows;
}

/** What else a pass has come to: who has nowhere to go is not looked at again, and who has left was served. */
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
    ],
  });
}

const leaversSql = `
  WITH source AS (
    SELECT * FROM unnest($2::text[], $3::boolean[]) AS source(name, is_open)
  ), next AS MATERIALIZED (
    SELECT source.is_open, flows.class, flows.tenant, flows.caller, flows.target_name,
           ceil($4 * weight / sum(weight) OVER (PARTITION BY source.name, lanes.class))::int + 2 AS heads_max
    FROM source JOIN lanes ON lanes.pool = $1
    CROSS JOIN LATERAL (
      SELECT * FROM flows
      WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = source.name AND flows.active
      ORDER BY tag, since LIMIT $4
    ) AS flows
  ), in_turn AS MATERIALIZED (
    SELECT next.*, line.count, line.ids[1:heads_max] AS ids
    FROM next CROSS JOIN LATERAL (
      SELECT count(*) AS count,
             array_agg(id ORDER BY accepted_at, id) FILTER (WHERE next.is_open OR spill_at <= statement_timestamp()) AS ids
      FROM (
        SELECT id, accepted_at, spill_at FROM tickets
        WHERE pool = $1 AND target_name = next.target_name AND priority = next.class AND tenant = next.tenant
          AND caller = next.caller AND kind <> 'overlap' AND NOT parked
        -- As the index has it, so that none by age alone can take its place.
        ORDER BY accepted_at NULLS FIRST, id LIMIT ${limits.spillLookMax}
      ) AS oldest
    ) AS line
  ), rested AS (
    UPDATE flows SET active = false FROM in_turn
    WHERE in_turn.count = 0 AND flows.pool = $1 AND flows.class = in_turn.class AND flows.tenant = in_turn.tenant
      AND flows.caller = in_turn.caller AND flows.target_name = in_turn.target_name
  ), leaving AS (
    SELECT unnest(ids) AS id FROM in_turn
    UNION
    SELECT oldest.id FROM source CROSS JOIN LATERAL (
      SELECT id FROM tickets
      WHERE pool = $1 AND target_name = source.name AND spill_at < 'infinity' AND NOT parked
        AND spill_at <= CASE WHEN source.is_open THEN 'infinity' ELSE statement_timestamp() END
        AND kind <> 'overlap'
      ORDER BY spill_at LIMIT $4
    ) AS oldest
    UNION
    SELECT oldest.id FROM source CROSS JOIN LATERAL (
      SELECT id FROM tickets
      WHERE pool = $1 AND target_name = source.name AND kind = 'overlap' AND NOT parked
      ORDER BY accepted_at NULLS FIRST, id LIMIT $4
    ) AS oldest WHERE source.is_open
  )
  SELECT
    ${lanesOf('$1')} AS lanes,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
              'id', tickets.id::text, 'class', tickets.priority, 'tenant', tickets.tenant, 'caller', tickets.caller,
              'target', tickets.target_name, 'isOverlap', tickets.kind = 'overlap', 'options', elsewhere.options,
              'weight', coalesce(flows.weight, 1), 'tag', coalesce(flows.tag, 0),
              'tenantTag', coalesce((SELECT tag FROM shares WHERE shares.pool = $1 AND shares.class = tickets.priority
                                       AND shares.tenant = tickets.tenant), flows.tag, 0))
              ORDER BY flows.since, tickets.accepted_at, tickets.id), '[]')
     FROM tickets
     -- One by one, also where the planner believes that the tables are still small.
     CROSS JOIN LATERAL (
       SELECT id, route, request FROM jobs WHERE id = tickets.job AND finished_at IS NULL AND cancel_requested_at IS NULL LIMIT 1
     ) AS jobs
     LEFT JOIN LATERAL (
       SELECT * FROM flows
       WHERE flows.pool = $1 AND flows.class = tickets.priority AND flows.tenant = tickets.tenant
         AND flows.caller = tickets.caller AND flows.target_name = tickets.target_name LIMIT 1
     ) AS flows ON true
     CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(jsonb_build_object('index', n - 1, 'pool', entry ->> 'pool', 'name', entry ->> 'name')
                                 ORDER BY n), '[]') AS options
       FROM jsonb_array_elements(jobs.route) WITH ORDINALITY AS target(entry, n)
       WHERE n - 1 <> tickets.target
         -- Under a cap nothing is bought whose price is unknown.
         AND (entry ->> 'priceUsdMicros' IS NOT NULL
              OR NOT EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL))
         -- Nor what the job may not cost, or its tenant can't pay: here it would wait, there it might be served.
         AND ((jobs.request ? 'max_cost_usd') IS NOT TRUE OR (entry ->> 'priceUsdMicros')::bigint <= cost_room(jobs.id))
         AND ((entry ->> 'priceUsdMicros')::bigint <= coalesce(tickets.reserved_usd_micros, 0)
              OR leaves_budget(tickets.tenant, budget_day(tickets.accepted_at),
                               (entry ->> 'priceUsdMicros')::bigint - coalesce(tickets.reserved_usd_micros, 0)))
         AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = jobs.id AND a.target = n - 1)
         AND NOT EXISTS (SELECT 1 FROM permits p WHERE p.job = jobs.id AND p.target = n - 1)
     ) AS elsewhere
     WHERE tickets.id = ANY (ARRAY(SELECT id FROM leaving))) AS leavers`;
