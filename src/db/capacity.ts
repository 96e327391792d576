import type { Database } from './pool.ts';

/** How much of an account is in use, for operators. */
export interface PoolUse {
  readonly pool: string;
  /** Jobs that may be outstanding, as configured, and as the account bears them. */
  readonly configured: number;
  readonly working: number;
  /** Permits, of which zombies: our job is final, the provider's is not. */
  readonly held: number;
  readonly zombies: number;
  /** Jobs in line. */
  readonly waiting: number;
  /** Seconds that the one who waits longest has waited; 0: nobody waits. */
  readonly oldestWaitSeconds: number;
}

export async function readPoolUse(db: Database): Promise<readonly PoolUse[]> {
  const { rows } = await db.query<PoolUse>({
    name: 'read_pool_use',
    text: `SELECT pools.id AS pool, outstanding_max AS configured, coalesce(working_max, outstanding_max) AS working,
                  permits.held, permits.zombies,
                  coalesce((SELECT sum(greatest(waiting, 0)) FROM flows WHERE flows.pool = pools.id AND flows.active), 0)::int AS waiting,
                  coalesce(extract(epoch FROM clock_timestamp() - (
                    SELECT min(oldest.accepted_at) FROM targets CROSS JOIN LATERAL (
                      SELECT accepted_at FROM tickets WHERE tickets.pool = pools.id AND tickets.target_name = targets.name
                      ORDER BY accepted_at LIMIT 1
                    ) AS oldest WHERE targets.pool = pools.id)), 0)::float8 AS "oldestWaitSeconds"
           FROM pools CROSS JOIN LATERAL (
             SELECT count(*)::int AS held, (count(zombie_since))::int AS zombies FROM permits WHERE permits.pool = pools.id
           ) AS permits`,
  });
  return rows;
}
