import type pg from 'pg';

export interface TicketRows {
  readonly pool: string;
  readonly count: number;
  /** End users whose they are, in turn. */
  readonly users?: number;
  readonly tenant?: string;
  readonly target?: string;
  /** 0: high, 1: normal, 2: low. */
  readonly priority?: number;
}

/** Many jobs that wait, by few statements: what accept leaves of each, but for its story. */
export async function insertTickets(connections: Pick<pg.Pool, 'query'>, rows: TicketRows): Promise<void> {
  for (let from = 0; from < rows.count; from += ofStatement)
    await insertSome(connections, { ...rows, from, count: Math.min(ofStatement, rows.count - from) });
}

const ofStatement = 5_000;

async function insertSome(
  connections: Pick<pg.Pool, 'query'>,
  rows: TicketRows & { readonly from: number },
): Promise<void> {
  const { pool, count, users = 1, tenant = 'default', target = 'vendor/model', priority = 1, from } = rows;
  await connections.query(
    `WITH accepted AS (
       INSERT INTO jobs (id, tenant, model, request, route, priority, accepted_at, queue_deadline)
       SELECT 'video_' || overlay(gen_random_uuid()::text PLACING '7' FROM 15), $3, 'model', jsonb_build_object('prompt', 'a fox', 'user', 'user' || ($7 + n) % $4),
              jsonb_build_array(jsonb_build_object('name', $5::text, 'pool', $1::text, 'provider', 'vendor')), $6,
              clock_timestamp(), now() + interval '1 day'
       FROM generate_series(1, $2::int) AS n
       RETURNING *
     )
     INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, queue_deadline,
                          price_usd_micros)
     SELECT id, 1, tenant, request ->> 'user', $1, 0, $5, priority, 'first', accepted_at, queue_deadline, 500000 FROM accepted`,
    [pool, count, tenant, users, target, priority, from],
  );
}
