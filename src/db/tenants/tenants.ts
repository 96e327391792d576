import type { TenantLimits } from '../../domain/tenant.ts';
import type { Database } from '../pool.ts';

/** SQL for whether a row of `api_keys` opens anything. */
export const isActiveKey = `api_keys.revoked_at IS NULL
   AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp())`;

/** A tenant as an operator sees it. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  /** The share of each of its flows beside others of their class. */
  readonly weight: number;
  readonly createdAt: Date;
  readonly limits: TenantLimits;
  readonly activeKeys: number;
}

/** SQL for the columns of `tenants` as `TenantLimits`, in JSON. */
export const limitsObject = `jsonb_build_object(
    'requestsPerMinute', tenants.requests_per_minute,
    'queuedMax', tenants.queued_max, 'queuedPerUserMax', tenants.queued_per_user_max,
    'outstandingMax', tenants.outstanding_max,
    'dayBudgetUsdMicros', tenants.day_budget_usd_micros, 'monthBudgetUsdMicros', tenants.month_budget_usd_micros)`;

/** What holds for each of these tenants; there is no line for one that does not exist. */
export async function findTenantLimits(
  db: Database,
  tenants: readonly string[],
): Promise<readonly { readonly id: string; readonly limits: TenantLimits }[]> {
  const { rows } = await db.query<{ id: string; limits: TenantLimits }>({
    name: 'find_tenant_limits',
    text: `SELECT id, ${limitsObject} AS limits FROM tenants WHERE id = ANY ($1::text[])`,
    values: [tenants],
  });
  return rows;
}

/** Whose a job is, of each that exists. */
export async function findTenantsOfJobs(
  db: Database,
  jobs: readonly string[],
): Promise<readonly { readonly id: string; readonly tenant: string }[]> {
  const { rows } = await db.query<{ id: string; tenant: string }>({
    name: 'find_tenants_of_jobs',
    text: 'SELECT id, tenant FROM jobs WHERE id = ANY ($1::text[])',
    values: [jobs],
  });
  return rows;
}

/** Returns whether it is new: one that exists is left as it is. */
export async function insertTenant(db: Database, id: string): Promise<boolean> {
  const { rowCount } = await db.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT (id) DO NOTHING', [id]);
  return rowCount === 1;
}

/** What may be set of a tenant, by the names of the columns. What is absent stays; null lifts a limit. */
export interface TenantChange {
  readonly name?: string;
  readonly weight?: number;
  readonly requests_per_minute?: number | null;
  readonly queued_max?: number | null;
  readonly queued_per_user_max?: number | null;
  readonly outstanding_max?: number | null;
  readonly day_budget_usd_micros?: number | null;
  readonly month_budget_usd_micros?: number | null;
}

const changeable = `name, weight, requests_per_minute, queued_max, queued_per_user_max, outstanding_max,
                    day_budget_usd_micros, month_budget_usd_micros`;

/** Returns whether there is such a tenant. */
export async function updateTenant(db: Database, id: string, change: TenantChange): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE tenants SET (${changeable}) =
       (SELECT ${changeable} FROM jsonb_populate_record(tenants, $2::jsonb) AS changed)
     WHERE id = $1`,
    [id, JSON.stringify(change)],
  );
  return rowCount === 1;
}

/** Holds back whoever else would give this tenant a key, until the transaction ends. Returns whether there is one. */
export async function lockTenant(connection: Database, id: string): Promise<boolean> {
  const { rowCount } = await connection.query('SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [id]);
  return rowCount === 1;
}

const select = `SELECT id, name, weight, created_at AS "createdAt", ${limitsObject} AS limits,
                       (SELECT count(*)::int FROM api_keys WHERE api_keys.tenant = tenants.id AND ${isActiveKey}) AS "activeKeys"
                FROM tenants`;

export async function listTenants(db: Database): Promise<readonly Tenant[]> {
  const { rows } = await db.query<Tenant>(`${select} ORDER BY id`);
  return rows;
}

export async function findTenant(db: Database, id: string): Promise<Tenant | undefined> {
  const { rows } = await db.query<Tenant>(`${select} WHERE id = $1`, [id]);
  return rows[0];
}
