import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';

/**
 * Takes flows of tenants that are paused out of their line, and puts those back whose tenant's pause is over. So a pass never
 * looks past a hundred thousand of them, and who comes back has saved up nothing: it begins at the clock of its tenant, as an
 * arrival does. Under the pool's lock, before arrivals are folded. Of very many the others follow with the next passes.
 */
export async function followTenantPauses(connection: pg.PoolClient, pool: string): Promise<void> {
  await connection.query({ name: 'release_flows', text: releaseSql, values: [pool, limits.heldFlowsOfPassMax] });
  const { rows: unswept } = await connection.query({
    name: 'sweep_flows',
    text: sweepSql,
    values: [pool, limits.heldFlowsOfPassMax],
  });
  // While they are being taken out, those that stand in front of others go first.
  if (unswept.length === 0) return;
  for (let round = 0; round < limits.holdRoundsMax; round += 1) {
    const { rowCount } = await connection.query({
      name: 'hold_flows',
      text: holdSql,
      values: [pool, limits.heldFlowsLookMax],
    });
    if ((rowCount ?? 0) === 0) return;
  }
}

const releaseSql = `
  WITH over AS MATERIALIZED (
    SELECT tenant FROM held_tenants
    WHERE pool = $1 AND NOT EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant' AND subject = held_tenants.tenant)
  ), released AS (
    UPDATE flows SET held = false
    WHERE ctid = ANY (ARRAY(
      SELECT flows.ctid FROM over JOIN flows ON flows.pool = $1 AND flows.tenant = over.tenant AND flows.held LIMIT $2))
    RETURNING target_name, class, tenant, caller, since
  ), returned AS (
    -- They were counted when they came: what arrives is the flow, in the order in which it came.
    INSERT INTO arrivals (pool, target_name, class, tenant, caller, accepted_at, n)
    SELECT $1, target_name, class, tenant, caller, clock_timestamp(), 0 FROM released ORDER BY since
  )
  DELETE FROM held_tenants USING over
  WHERE held_tenants.pool = $1 AND held_tenants.tenant = over.tenant AND (SELECT count(*) FROM released) < $2`;

/**
 * Takes all of them out, a piece at a time, and notes when none is left: from then on arrivals of the tenant are held as they
 * come, and nobody looks at the line for it. Says of whom some may be left.
 */
const sweepSql = `
  WITH unswept AS MATERIALIZED (
    SELECT subject AS tenant FROM pauses_in_force
    WHERE kind = 'tenant' AND NOT EXISTS (
      SELECT 1 FROM held_tenants WHERE held_tenants.pool = $1 AND held_tenants.tenant = subject AND swept_at > pauses_in_force.at)
  ), found AS MATERIALIZED (
    SELECT flows.ctid AS place FROM unswept CROSS JOIN lanes
    JOIN flows ON flows.pool = $1 AND flows.class = lanes.class AND flows.tenant = unswept.tenant AND flows.active
    WHERE lanes.pool = $1
    LIMIT $2
  ), noted AS (
    INSERT INTO held_tenants (pool, tenant, swept_at)
    SELECT $1, tenant, CASE WHEN (SELECT count(*) FROM found) < $2 THEN clock_timestamp() ELSE '-infinity' END FROM unswept
    ON CONFLICT (pool, tenant) DO UPDATE SET swept_at = excluded.swept_at
  ), held AS (
    UPDATE flows SET active = false, held = true
    WHERE ctid = ANY (ARRAY(SELECT place FROM found))
  )
  SELECT tenant FROM unswept`;

/** Of each line the next few are looked at: those behind them are in nobody's way yet. */
const holdSql = `
  WITH ahead AS MATERIALIZED (
    SELECT next.place, next.tenant FROM lanes JOIN targets ON targets.pool = $1
    CROSS JOIN LATERAL (
      SELECT flows.ctid AS place, tenant FROM flows
      WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = targets.name AND flows.active
      ORDER BY tag, since LIMIT $2
    ) AS next
    WHERE lanes.pool = $1 AND EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'tenant' AND subject = next.tenant)
  ), noted AS (
    INSERT INTO held_tenants (pool, tenant) SELECT DISTINCT $1, tenant FROM ahead ON CONFLICT DO NOTHING
  )
  UPDATE flows SET active = false, held = true
  WHERE ctid = ANY (ARRAY(SELECT place FROM ahead))`;
