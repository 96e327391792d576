import type { DeliveryState } from '../../domain/webhook.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';
import type { TryRecord } from './tries.ts';
import type { Owned } from './endpoints.ts';

/** A delivery as its tenant may see it. */
export interface DeliveryView {
  readonly id: string;
  readonly eventId: string;
  readonly endpoint: string | null;
  readonly job: string | null;
  readonly kind: string;
  readonly state: DeliveryState;
  readonly reason: string | null;
  readonly tries: number;
  readonly createdAt: number;
  readonly nextTryAt: number | null;
  readonly endedAt: number | null;
  readonly redeliveryOf: string | null;
}

const view = `d.id, d.event_id AS "eventId", d.endpoint, d.job, d.kind, d.state, d.reason, d.tries,
              ${millis('d.created_at')} AS "createdAt", ${millis('d.ended_at')} AS "endedAt",
              CASE WHEN d.ended_at IS NULL THEN ${millis('d.next_try_at')} END AS "nextTryAt",
              d.redelivery_of AS "redeliveryOf"`;

export async function findDelivery(db: Database, { id, tenant }: Owned): Promise<DeliveryView | undefined> {
  const { rows } = await db.query<DeliveryView>({
    name: 'find_webhook_delivery',
    text: `SELECT ${view} FROM webhook_deliveries d WHERE d.id = $1 AND d.tenant = $2`,
    values: [id, tenant],
  });
  return rows[0];
}

export interface LogAsked {
  readonly tenant: string;
  readonly endpoint: string;
  /** The last one of the page before. Null: from the newest on. */
  readonly after: string | null;
  readonly count: number;
}

/** Newest first. */
export async function listDeliveries(db: Database, asked: LogAsked): Promise<readonly DeliveryView[]> {
  const { rows } = await db.query<DeliveryView>({
    name: 'list_webhook_deliveries',
    text: `SELECT ${view} FROM webhook_deliveries d
           WHERE d.endpoint = $2 AND d.tenant = $1
             AND ($3::text IS NULL OR (d.created_at, d.id) <
                  (SELECT created_at, id FROM webhook_deliveries last WHERE last.id = $3 AND last.endpoint = $2))
           ORDER BY d.created_at DESC, d.id DESC LIMIT $4`,
    values: [asked.tenant, asked.endpoint, asked.after, asked.count],
  });
  return rows;
}

export interface TryView extends TryRecord {
  readonly at: number;
}

/** Every try of a delivery, in its order. There are ten of them, and a few more where a process was killed. */
export async function listTries(db: Database, delivery: string): Promise<readonly TryView[]> {
  const { rows } = await db.query<TryView>({
    name: 'list_webhook_tries',
    text: `SELECT ${millis('at')} AS at, status, error, excerpt, duration_ms AS "durationMs"
           FROM webhook_tries WHERE delivery = $1 ORDER BY id LIMIT 100`,
    values: [delivery],
  });
  return rows;
}

/**
 * The same event once more, under the same `webhook-id`. Undefined: there is no such delivery, or none to repeat: a test, or
 * of a job that was deleted. `under_way`: it is being repeated to the same receiver.
 */
export async function repeatDelivery(
  db: Database,
  { id, tenant, as }: Owned & { readonly as: string },
): Promise<DeliveryView | 'under_way' | undefined> {
  const { rows } = await db.query<DeliveryView | { readonly id: null }>({
    name: 'repeat_webhook_delivery',
    text: `WITH original AS (
             SELECT told.* FROM webhook_deliveries told JOIN jobs ON jobs.id = told.job
             WHERE told.id = $1 AND told.tenant = $2 AND jobs.request IS NOT NULL
           ), d AS (
             INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, job, kind, event_at, redelivery_of)
             SELECT $3, event_id, tenant, endpoint, receiver, job, kind, event_at, id FROM original
             ON CONFLICT (event_id, receiver) WHERE redelivery_of IS NOT NULL AND state IN ('pending', 'retrying') DO NOTHING
             RETURNING *
           )
           SELECT ${view} FROM original LEFT JOIN d ON true`,
    values: [id, tenant, as],
  });
  const [found] = rows;
  return found?.id === null ? 'under_way' : found;
}

/** A test call that is under way. It has failed until its one try says otherwise, so that nobody else makes it. */
export async function insertTest(
  db: Database,
  { id, tenant, endpoint }: Owned & { readonly endpoint: string },
): Promise<void> {
  await db.query({
    name: 'insert_webhook_test',
    text: `INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, kind, event_at, state, reason, ended_at, tries)
           VALUES ($1, 'evt_' || substr($1, 5), $2, $3, $3, 'webhook.test', clock_timestamp(), 'failed', 'exhausted', clock_timestamp(), 1)`,
    values: [id, tenant, endpoint],
  });
}
