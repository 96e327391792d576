import type pg from 'pg';
import type { Flow } from '../../domain/fair-order.ts';
import type { Lane } from '../../domain/lanes.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { SpillOverlap, SpillTicket } from '../../domain/spill.ts';
import type { SpillSource } from './spill-state.ts';
import { lanesOf, only } from '../sql.ts';

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
 * rest, or those that have left would hide who is behind them. Those of a tenant that is paused stay, and are put off.
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

export interface HeldBudgets {
  readonly leftUsdMicros: ReadonlyMap<string, number>;
  /** Tenants whose budgets are held from now on. */
  readonly tenants: readonly string[];
}

/**
 * Takes the locks of the budgets that some of these would draw on elsewhere, and says what they leave: pool first, then
 * these, then jobs. Where nobody needs anything, nothing is asked.
 */
export async function holdLeaversBudgets(
  connection: pg.PoolClient,
  { flows, overlaps }: Leavers,
): Promise<HeldBudgets> {
  const leavers = [...flows.flatMap(({ heads }) => heads), ...overlaps];
  const needy = leavers.filter(({ options }) => options.some(({ need }) => need !== undefined));
  if (needy.length === 0) return { leftUsdMicros: new Map(), tenants: [] };
  const { rows } = await connection.query<{ tenant: string; id: string; left: number | null }>({
    name: 'hold_leavers_budgets',
    text: `WITH needy AS MATERIALIZED (
             SELECT id, tenant, budget_day(accepted_at) AS day FROM tickets WHERE id = ANY ($1::bigint[])
           )
           SELECT tenant, concat_ws(' ', tenant, period, starts_on) AS id, left_usd_micros::float8 AS left
           FROM hold_budgets(ARRAY(SELECT tenant FROM needy ORDER BY id), ARRAY(SELECT day FROM needy ORDER BY id))`,
    values: [needy.map(({ id }) => id)],
  });
  return {
    leftUsdMicros: new Map(rows.flatMap(({ id, left }) => (left === null ? [] : [[id, left]]))),
    tenants: [...new Set(rows.map(({ tenant }) => tenant))],
  };
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
    -- Behind the limit: the grant pass takes them out of the way.
    WHERE ${isFree('flows')}
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
  ), oldest AS MATERIALIZED (
    SELECT first.*, row_number() OVER (PARTITION BY source.name, is_free ORDER BY spill_at) AS place
    FROM source CROSS JOIN LATERAL (
      SELECT id, spill_at, ${isFree('tickets')} AS is_free FROM tickets
      WHERE pool = $1 AND target_name = source.name AND spill_at < 'infinity' AND NOT parked
        AND spill_at <= CASE WHEN source.is_open THEN 'infinity' ELSE statement_timestamp() END
        AND tickets.kind <> 'overlap'
      ORDER BY spill_at
      LIMIT CASE WHEN EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant') THEN ${limits.heldLeaversLookMax} ELSE $4 END
    ) AS first
  ), postponed AS (
    -- Or they would hide who is behind them for as long as the pause lasts.
    UPDATE tickets
    SET spill_at = least(statement_timestamp() + ${limits.heldLeaversMs} * interval '1 millisecond',
                         (SELECT until FROM pauses_in_force p WHERE p.kind = 'tenant' AND p.subject = tickets.tenant))
    WHERE id = ANY (ARRAY(
      SELECT id FROM tickets
      WHERE id = ANY (ARRAY(SELECT id FROM oldest WHERE NOT is_free AND spill_at <= statement_timestamp())) AND pool = $1
      FOR NO KEY UPDATE SKIP LOCKED))
  ), leaving AS (
    SELECT unnest(ids) AS id FROM in_turn
    UNION
    SELECT id FROM oldest WHERE is_free AND place <= $4
    UNION
    SELECT second.id FROM source CROSS JOIN LATERAL (
      SELECT id FROM tickets
      WHERE pool = $1 AND target_name = source.name AND tickets.kind = 'overlap' AND NOT parked AND ${isFree('tickets')}
      ORDER BY accepted_at NULLS FIRST, id LIMIT $4
    ) AS second WHERE source.is_open
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
       SELECT budget_day(tickets.accepted_at) AS day, EXISTS (
         SELECT 1 FROM tenants
         WHERE tenants.id = tickets.tenant AND (day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL)
       ) AS has_budget
     ) AS money
     CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(
                jsonb_build_object('index', n - 1, 'pool', entry ->> 'pool', 'name', entry ->> 'name')
                -- What it asks beyond what is reserved has to fit.
                || CASE WHEN has_budget AND (entry ->> 'priceUsdMicros')::bigint > coalesce(reserved_usd_micros, 0)
                     THEN jsonb_build_object('need', jsonb_build_object(
                       'usdMicros', (entry ->> 'priceUsdMicros')::bigint - coalesce(reserved_usd_micros, 0),
                       'budgets', jsonb_build_array(concat_ws(' ', tickets.tenant, 'day', day), concat_ws(' ', tickets.tenant, 'month',
                         date_trunc('month', day::timestamp)::date))))
                     ELSE '{}' END
                ORDER BY n), '[]') AS options
       FROM jsonb_array_elements(jobs.route) WITH ORDINALITY AS target(entry, n)
       WHERE n - 1 <> tickets.target
         -- Under a cap nothing is bought whose price is unknown.
         AND (entry ->> 'priceUsdMicros' IS NOT NULL
              OR NOT EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL))
         -- Nor under a tenant's budget, nor what the job may not cost.
         AND (entry ->> 'priceUsdMicros' IS NOT NULL OR NOT has_budget)
         AND ((jobs.request ? 'max_cost_usd') IS NOT TRUE OR (entry ->> 'priceUsdMicros')::bigint <= cost_room(jobs.id))
         AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = jobs.id AND a.target = n - 1)
         AND NOT EXISTS (SELECT 1 FROM permits p WHERE p.job = jobs.id AND p.target = n - 1)
     ) AS elsewhere
     WHERE tickets.id = ANY (ARRAY(SELECT id FROM leaving))) AS leavers`;

/** Nobody whose tenant is paused is sent anywhere: it would be to the end of another line, and perhaps a dearer one. */
function isFree(row: 'flows' | 'tickets'): string {
  return `NOT EXISTS (SELECT 1 FROM pauses_in_force p WHERE p.kind = 'tenant' AND p.subject = ${row}.tenant)`;
}
