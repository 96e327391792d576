import type { Database } from '../pool.ts';
import { millis, only } from '../sql.ts';

/** What is known of the secret of a tenant, but itself. */
export interface SecretView {
  readonly createdAt: number;
  /** Until when the previous one signs along. Null: it does not. */
  readonly previousUntil: number | null;
}

const view = `${millis('created_at')} AS "createdAt",
              CASE WHEN previous_until > clock_timestamp() THEN ${millis('previous_until')} END AS "previousUntil"`;

/** Keeps a sealed secret unless the tenant has one already, and returns the one that stands. */
export async function ensureTenantSecret(
  db: Database,
  { tenant, secret }: { readonly tenant: string; readonly secret: string },
): Promise<string> {
  await db.query({
    name: 'insert_webhook_secret',
    text: 'INSERT INTO webhook_secrets (tenant, secret) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING',
    values: [tenant, secret],
  });
  const { rows } = await db.query<{ secret: string }>({
    name: 'find_webhook_secret',
    text: 'SELECT secret FROM webhook_secrets WHERE tenant = $1',
    values: [tenant],
  });
  return only(rows, 'webhook_secrets').secret;
}

export async function findTenantSecret(db: Database, tenant: string): Promise<SecretView | undefined> {
  const { rows } = await db.query<SecretView>({
    name: 'find_webhook_secret_view',
    text: `SELECT ${view} FROM webhook_secrets WHERE tenant = $1`,
    values: [tenant],
  });
  return rows[0];
}

/** The first one has none before it. */
export async function rotateTenantSecret(
  db: Database,
  rotation: { readonly tenant: string; readonly secret: string; readonly hoursOfPrevious: number },
): Promise<SecretView> {
  const { rows } = await db.query<SecretView>({
    name: 'rotate_webhook_secret',
    text: `INSERT INTO webhook_secrets (tenant, secret) VALUES ($1, $2)
           ON CONFLICT (tenant) DO UPDATE
           SET previous_secret = webhook_secrets.secret, previous_until = clock_timestamp() + $3 * interval '1 hour',
               secret = excluded.secret, created_at = clock_timestamp()
           RETURNING ${view}`,
    values: [rotation.tenant, rotation.secret, rotation.hoursOfPrevious],
  });
  return only(rows, 'webhook_secrets');
}
