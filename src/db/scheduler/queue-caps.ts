import type { Database } from '../pool.ts';

/** How many jobs may wait at once. Null: as many as there are. */
export interface QueueCaps {
  readonly queuedMax: number | null;
  /** Of one end user of the tenant. */
  readonly queuedPerUserMax: number | null;
}

export interface QueuedQuery {
  readonly tenant: string;
  /** Null: all of them. */
  readonly caller: string | null;
}

/** How many of a tenant's jobs wait, by the counters of its flows and what has arrived since: not by the line itself. */
export async function countQueued(db: Database, { tenant, caller }: QueuedQuery): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'count_queued',
    text: `SELECT (coalesce((
               SELECT sum(greatest(flows.waiting, 0)) FROM lanes JOIN flows USING (pool, class)
               WHERE flows.tenant = $1 AND ($2::text IS NULL OR flows.caller = $2)), 0)
             + coalesce((SELECT sum(n) FROM arrivals WHERE tenant = $1 AND ($2::text IS NULL OR caller = $2)), 0))::int AS count`,
    values: [tenant, caller],
  });
  return Math.max(0, rows[0]?.count ?? 0);
}
