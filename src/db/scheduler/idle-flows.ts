import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';
import { lockPool } from './grants.ts';
import { inTransaction } from '../pool.ts';

/**
 * Forgets flows that nobody waits in: who comes back begins at the clock of its tenant, as it would have. So the table holds the end users of late, and
 * not all that there ever were. They are looked for without the pool's lock, and removed under it, as flows are only written
 * under it; a pool where somebody grants at this moment has its turn in the next round. Returns how many there were.
 */
export async function forgetIdleFlows(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM pools ORDER BY id');
  let count = 0;
  for (const { id } of rows)
    for (let round = 0; round < limits.idleFlowsRoundsMax; round += 1) {
      const forgotten = await forgetFlowsOf(pool, id);
      count += forgotten;
      if (forgotten < limits.idleFlowsForgottenMax) break;
    }
  return count;
}

/** What it was charged for its tenant's clock keeps. One that has left and is not counted out yet would come back with them. */
const isIdleFlow = 'NOT flows.active AND NOT flows.held AND flows.waiting = 0';

async function forgetFlowsOf(pool: pg.Pool, id: string): Promise<number> {
  const { rows } = await pool.query<{ place: string }>(
    `SELECT flows.ctid::text AS place FROM lanes JOIN flows USING (pool, class)
     WHERE lanes.pool = $1 AND ${isIdleFlow} LIMIT $2`,
    [id, limits.idleFlowsForgottenMax],
  );
  if (rows.length === 0) return 0;
  return await inTransaction(pool, async (connection) => {
    if ((await lockPool(connection, id)) === undefined) return 0;
    const { rowCount } = await connection.query(
      `DELETE FROM flows USING lanes
       WHERE flows.ctid = ANY ($2::tid[]) AND lanes.pool = $1 AND flows.pool = lanes.pool AND flows.class = lanes.class
         AND ${isIdleFlow}`,
      [id, rows.map(({ place }) => place)],
    );
    return rowCount ?? 0;
  });
}

/**
 * Draws a tenant's users together whose turns lie far apart, because those between them have left: what was theirs is not
 * waited for. Its clock is set to follow them. Only where a tenant is ahead of its class by more than its users account for,
 * so mostly nowhere. Returns how many tenants there were.
 */
export async function drawFlowsTogether(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT DISTINCT pool AS id FROM (${scattered}) AS stale ORDER BY id`,
  );
  let count = 0;
  for (const { id } of rows)
    count += await inTransaction(pool, async (connection) => {
      if ((await lockPool(connection, id)) === undefined) return 0;
      const { rowCount } = await connection.query(drawTogetherSql, [id]);
      return rowCount ?? 0;
    });
  return count;
}

/** Of tenants without users in line the clock may be ahead by the turn that was theirs last. */
const scattered = `
  SELECT shares.pool, shares.class, shares.tenant, lanes.tag AS lane_tag, theirs.turn, theirs.users
  FROM shares JOIN lanes USING (pool, class)
  CROSS JOIN LATERAL (
    SELECT count(DISTINCT caller) AS users, coalesce(1 / min(weight), 1) AS turn FROM flows
    WHERE flows.pool = shares.pool AND flows.class = shares.class AND flows.tenant = shares.tenant AND active
  ) AS theirs
  WHERE theirs.users <= ${limits.drawnTogetherMax} AND shares.tag > lanes.tag + (theirs.users * 1.5 + 2) * theirs.turn`;

const drawTogetherSql = `
  WITH stale AS MATERIALIZED (
    SELECT * FROM (${scattered}) AS found WHERE pool = $1
  ), moved AS (
    UPDATE flows SET tag = placed.tag
    FROM (SELECT flows.ctid AS place, lane_tag + (dense_rank() OVER (PARTITION BY class, tenant ORDER BY flows.tag, caller) - 1) * turn AS tag
          FROM stale JOIN flows USING (pool, class, tenant) WHERE active) AS placed
    WHERE flows.ctid = placed.place
  )
  UPDATE shares SET tag = lane_tag + greatest(users, 1) * turn
  FROM stale WHERE shares.pool = stale.pool AND shares.class = stale.class AND shares.tenant = stale.tenant`;
