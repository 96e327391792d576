import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** An endpoint as its owner may see it: without its secrets. */
export interface EndpointView {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string;
  readonly createdAt: number;
  readonly disabledAt: number | null;
  readonly disabledReason: 'owner' | 'gone' | 'failing' | null;
  readonly failingSince: number | null;
  /** Until when the previous secret signs along. Null: it does not. */
  readonly previousUntil: number | null;
}

const view = `e.id, e.url, e.events, e.description, ${millis('e.created_at')} AS "createdAt",
              ${millis('e.disabled_at')} AS "disabledAt", e.disabled_reason AS "disabledReason",
              ${millis('r.failing_since')} AS "failingSince",
              CASE WHEN e.previous_until > clock_timestamp() THEN ${millis('e.previous_until')} END AS "previousUntil"`;
const joinReceiver = 'LEFT JOIN webhook_receivers r ON r.receiver = e.id';

/** A row that belongs to a tenant. */
export interface Owned {
  readonly id: string;
  readonly tenant: string;
}

export interface NewEndpoint extends Owned {
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string;
  /** Sealed. */
  readonly secret: string;
}

/** Undefined: the tenant has as many as it may. Two at once may both take the last place: it bounds mistakes, not malice. */
export async function insertEndpoint(
  db: Database,
  { endpointsMax, ...endpoint }: NewEndpoint & { readonly endpointsMax: number },
): Promise<EndpointView | undefined> {
  const { rows } = await db.query<EndpointView>({
    name: 'insert_webhook_endpoint',
    text: `WITH e AS (
             INSERT INTO webhook_endpoints (id, tenant, url, events, description, secret)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT count(*) FROM webhook_endpoints WHERE tenant = $2 AND deleted_at IS NULL) < $7
             RETURNING *
           )
           SELECT ${view} FROM e ${joinReceiver}`,
    values: [
      endpoint.id,
      endpoint.tenant,
      endpoint.url,
      endpoint.events,
      endpoint.description,
      endpoint.secret,
      endpointsMax,
    ],
  });
  return rows[0];
}

export async function findEndpoint(db: Database, { id, tenant }: Owned): Promise<EndpointView | undefined> {
  const { rows } = await db.query<EndpointView>({
    name: 'find_webhook_endpoint',
    text: `SELECT ${view} FROM webhook_endpoints e ${joinReceiver}
           WHERE e.id = $1 AND e.tenant = $2 AND e.deleted_at IS NULL`,
    values: [id, tenant],
  });
  return rows[0];
}

export interface PageAsked {
  readonly tenant: string;
  /** The last one of the page before. Null: from the beginning. */
  readonly after: string | null;
  readonly count: number;
}

/** Oldest first. */
export async function listEndpoints(
  db: Database,
  { tenant, after, count }: PageAsked,
): Promise<readonly EndpointView[]> {
  const { rows } = await db.query<EndpointView>({
    name: 'list_webhook_endpoints',
    text: `SELECT ${view} FROM webhook_endpoints e ${joinReceiver}
           WHERE e.tenant = $1 AND e.deleted_at IS NULL
             AND ($2::text IS NULL OR (e.created_at, e.id) >
                  (SELECT created_at, id FROM webhook_endpoints last WHERE last.id = $2 AND last.tenant = $1))
           ORDER BY e.created_at, e.id LIMIT $3`,
    values: [tenant, after, count],
  });
  return rows;
}

export interface EndpointChange {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly description?: string | undefined;
  readonly enabled?: boolean | undefined;
}

/** What is not named stays. Who enables an endpoint gives it a fresh start. */
export async function changeEndpoint(
  db: Database,
  { id, tenant }: Owned,
  change: EndpointChange,
): Promise<EndpointView | undefined> {
  const { rows } = await db.query<EndpointView>({
    name: 'change_webhook_endpoint',
    text: `WITH e AS (
             UPDATE webhook_endpoints
             SET url = coalesce($3, url), events = coalesce($4, events), description = coalesce($5, description),
                 disabled_at = CASE WHEN $6::boolean THEN NULL WHEN NOT $6 THEN coalesce(disabled_at, clock_timestamp()) ELSE disabled_at END,
                 disabled_reason = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(disabled_reason, 'owner') ELSE disabled_reason END
             WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL
             RETURNING *
           ), forgotten AS (
             DELETE FROM webhook_receivers WHERE receiver IN (SELECT id FROM e) AND ($6 OR $3 IS NOT NULL)
             RETURNING receiver
           )
           SELECT ${view} FROM e LEFT JOIN webhook_receivers r
             ON r.receiver = e.id AND NOT EXISTS (SELECT 1 FROM forgotten WHERE forgotten.receiver = r.receiver)`,
    values: [id, tenant, change.url ?? null, change.events ?? null, change.description ?? null, change.enabled ?? null],
  });
  return rows[0];
}

/** Whether there was one. Its URL and its secrets are erased at once; the relay ends its deliveries. */
export async function deleteEndpoint(db: Database, { id, tenant }: Owned): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'delete_webhook_endpoint',
    text: `UPDATE webhook_endpoints
           SET deleted_at = clock_timestamp(), url = '', secret = '', previous_secret = NULL, previous_until = NULL,
               description = ''
           WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL`,
    values: [id, tenant],
  });
  return rowCount === 1;
}

/** A secret that takes the place of another one, which signs along for so many hours. */
export interface Rotation extends Owned {
  /** Sealed. */
  readonly secret: string;
  readonly hoursOfPrevious: number;
}

export async function rotateEndpointSecret(db: Database, rotation: Rotation): Promise<EndpointView | undefined> {
  const { rows } = await db.query<EndpointView>({
    name: 'rotate_webhook_endpoint_secret',
    text: `WITH e AS (
             UPDATE webhook_endpoints
             SET previous_secret = secret, previous_until = clock_timestamp() + $4 * interval '1 hour', secret = $3
             WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL
             RETURNING *
           )
           SELECT ${view} FROM e ${joinReceiver}`,
    values: [rotation.id, rotation.tenant, rotation.secret, rotation.hoursOfPrevious],
  });
  return rows[0];
}
