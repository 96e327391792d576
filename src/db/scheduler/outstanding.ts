import type { Database } from '../pool.ts';
import { modelsOf } from '../sql.ts';

export interface OutstandingQuery {
  readonly tenant: string;
  /** Nobody needs to know how many more there are. */
  readonly max: number;
}

/**
 * How many of a tenant's jobs are not final, up to a bound. The index of lists has them by model, of which there are few:
 * one for open jobs alone would cost every accept.
 */
export async function countOutstanding(db: Database, { tenant, max }: OutstandingQuery): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'count_outstanding',
    text: `WITH RECURSIVE ${modelsOf('$1')}
           SELECT count(*)::int AS count FROM (
             SELECT 1 FROM models
             CROSS JOIN LATERAL (
               SELECT 1 FROM jobs
               WHERE tenant = $1 AND jobs.model = models.model AND phase IN ('queued', 'in_progress') LIMIT $2
             ) AS open
             LIMIT $2
           ) AS counted`,
    values: [tenant, max],
  });
  return rows[0]?.count ?? 0;
}
