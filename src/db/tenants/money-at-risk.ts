import type { Database } from '../pool.ts';

/** Money that is out, in US dollars, and who waits for longest: read by walking what is held, never what is past. */
export interface Stakes {
  /** What is under way is expected to cost. */
  readonly underWayUsd: number;
  /** Of attempts whose job is final: paid for, and of use to nobody. */
  readonly zombieUsd: number;
  /** Of attempts of which nobody knows whether they were taken. */
  readonly unknownUsd: number;
  readonly committedUsd: number;
  /** Null: there is no cap. */
  readonly capUsd: number | null;
  /** Seconds that the oldest waiting job has waited; 0: nobody waits. */
  readonly oldestWaitSeconds: number;
}

/** The pools bound how many permits there are. */
export async function readStakes(db: Database): Promise<Stakes | undefined> {
  const { rows } = await db.query<Stakes>({
    name: 'read_stakes',
    text: `SELECT held.*, budgets.committed_usd_micros / 1e6::float8 AS "committedUsd", budgets.cap_usd_micros / 1e6::float8 AS "capUsd",
                  coalesce((SELECT extract(epoch FROM clock_timestamp() - accepted_at) FROM tickets ORDER BY accepted_at LIMIT 1),
                           0)::float8 AS "oldestWaitSeconds"
           FROM budgets CROSS JOIN (
             SELECT coalesce(sum(permits.price_usd_micros) FILTER (WHERE zombie_since IS NULL), 0) / 1e6::float8 AS "underWayUsd",
                    coalesce(sum(permits.price_usd_micros) FILTER (WHERE zombie_since IS NOT NULL), 0) / 1e6::float8 AS "zombieUsd",
                    coalesce(sum(permits.price_usd_micros) FILTER (WHERE attempts.state = 'unknown'), 0) / 1e6::float8 AS "unknownUsd"
             FROM permits LEFT JOIN attempts USING (job, attempt)
           ) AS held
           WHERE budgets.id = 'global'`,
  });
  return rows[0];
}
