import type { Database } from '../pool.ts';

/** How much of an account is in use, for operators. */
export interface PoolUse {
  readonly pool: string;
  /** Jobs that may be outstanding: as configured, or as an operator has set it for now; and as the account bears them. */
  readonly configured: number;
  readonly working: number;
  /** Permits, of which zombies: our job is final, the provider's is not. */
  readonly held: number;
  readonly zombies: number;
  /** Jobs in line, or held out of it by a pause of their tenant. */
  readonly waiting: number;
  /** Seconds that those whose turn is next, in any class, have waited at most; 0: nobody waits. */
  readonly nextWaitSeconds: number;
}

export async function readPoolUse(db: Database): Promise<readonly PoolUse[]> {
  const { rows } = await db.query<PoolUse>({
    name: 'read_pool_use',
    text: `SELECT pools.id AS pool, limits.outstanding_max AS configured, least(working_max, limits.outstanding_max) AS working,
                  permits.held, permits.zombies,
                  coalesce((SELECT sum(greatest(waiting, 0)) FROM flows WHERE flows.pool = pools.id AND (flows.active OR flows.held)), 0)::int AS waiting,
                  coalesce(extract(epoch FROM clock_timestamp() - (
                    SELECT min(head.accepted_at) FROM lanes JOIN targets ON targets.pool = lanes.pool
                    CROSS JOIN LATERAL (
                      SELECT * FROM flows
                      WHERE flows.pool = pools.id AND flows.class = lanes.class AND flows.target_name = targets.name AND active
                      ORDER BY tag, since LIMIT 1
                    ) AS next
                    CROSS JOIN LATERAL (
                      SELECT accepted_at FROM tickets
                      WHERE tickets.pool = pools.id AND tickets.target_name = next.target_name AND priority = next.class
                        AND tickets.tenant = next.tenant AND tickets.caller = next.caller AND kind <> 'overlap' AND NOT parked
                      ORDER BY accepted_at NULLS FIRST, id LIMIT 1
                    ) AS head
                    WHERE lanes.pool = pools.id)), 0)::float8 AS "nextWaitSeconds"
           FROM pools JOIN limits_in_force AS limits ON limits.pool = pools.id CROSS JOIN LATERAL (
             SELECT count(*)::int AS held, (count(zombie_since))::int AS zombies FROM permits WHERE permits.pool = pools.id
           ) AS permits`,
  });
  return rows;
}
