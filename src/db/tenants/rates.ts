import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export interface RequestLeaseWish {
  readonly tenant: string;
  readonly wanted: number;
  readonly perMinute: number;
}

export interface RequestLease {
  /** None to as many as were wanted. */
  readonly granted: number;
  /** What is left for all processes after this lease. */
  readonly remaining: number;
  /** Milliseconds until there is one again; zero where some were granted. */
  readonly waitMs: number;
}

/** Takes requests of a tenant's minute, which all processes share. */
export async function leaseRequests(
  db: Database,
  { tenant, wanted, perMinute }: RequestLeaseWish,
): Promise<RequestLease> {
  const { rows } = await db.query<RequestLease>({
    name: 'lease_requests',
    text: `SELECT granted, remaining, wait_ms AS "waitMs" FROM lease_requests($1, $2, $3)`,
    values: [tenant, wanted, perMinute],
  });
  return only(rows, 'lease_requests');
}
