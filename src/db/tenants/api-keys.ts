import type { Scope, TenantLimits } from '../../domain/tenant.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';
import { isActiveKey, limitsObject } from './tenants.ts';

/** A key that opens something, with what its tenant is held to. */
export interface ActiveKey {
  readonly id: string;
  readonly tenant: string;
  readonly secretSha256: Buffer;
  readonly scopes: readonly Scope[];
  /** Until it expires. Null: it does not. */
  readonly leftMs: number | null;
  readonly limits: TenantLimits;
}

/** There is no line for a key that is unknown, expired or revoked. */
export async function findActiveKeys(db: Database, ids: readonly string[]): Promise<readonly ActiveKey[]> {
  const { rows } = await db.query<ActiveKey>({
    name: 'find_active_keys',
    text: `SELECT api_keys.id, api_keys.tenant, secret_sha256 AS "secretSha256", scopes,
                  ${millis('expires_at - clock_timestamp()')} AS "leftMs", ${limitsObject} AS limits
           FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant
           WHERE api_keys.id = ANY ($1::text[]) AND ${isActiveKey}`,
    values: [ids],
  });
  return rows;
}

/** Notes that keys are in use. Of several processes that say so within a minute one writes. */
export async function noteKeysUsed(db: Database, ids: readonly string[]): Promise<void> {
  await db.query({
    name: 'note_keys_used',
    text: `UPDATE api_keys SET last_used_at = clock_timestamp()
           WHERE id = ANY ($1::text[])
             AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`,
    values: [ids],
  });
}

export interface NewKey {
  readonly id: string;
  readonly tenant: string;
  readonly secretSha256: Buffer;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null: it does not expire. */
  readonly secondsValid: number | null;
}

/** Call it with the tenant locked, after a look at how many keys it has. */
export async function insertKey(connection: Database, key: NewKey): Promise<void> {
  await connection.query(
    `INSERT INTO api_keys (id, tenant, secret_sha256, name, scopes, expires_at)
     VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')`,
    [key.id, key.tenant, key.secretSha256, key.name, key.scopes, key.secondsValid],
  );
}

/** A key as an operator sees it: nothing of its secret. */
export interface KeyView {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly state: 'active' | 'expired' | 'revoked';
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** The keys of a tenant, or of all; the newest first. */
export async function listKeys(db: Database, tenant: string | null): Promise<readonly KeyView[]> {
  const { rows } = await db.query<KeyView>(
    `SELECT id, tenant, name, scopes,
            CASE WHEN ${isActiveKey} THEN 'active' WHEN revoked_at IS NULL THEN 'expired' ELSE 'revoked' END AS state,
            created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"
     FROM api_keys WHERE $1::text IS NULL OR tenant = $1
     ORDER BY tenant, created_at DESC, id`,
    [tenant],
  );
  return rows;
}

/** Returns whose it was, also where it had been revoked before. Undefined: there is no such key. */
export async function revokeKey(db: Database, id: string): Promise<string | undefined> {
  const { rows } = await db.query<{ tenant: string }>(
    `UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING tenant`,
    [id],
  );
  return rows[0]?.tenant;
}
