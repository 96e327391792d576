import { limits } from '../../domain/limits/limits.ts';
import type { DeliveryEnd } from '../../domain/webhook.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** A delivery that is ours until its lease runs out. */
export interface LeasedDelivery {
  readonly id: string;
  /** That were made before. */
  readonly tries: number;
}

export interface Claim {
  readonly leased: readonly (LeasedDelivery & { readonly lateMs: number })[];
  /** Where the next claim goes on. Null: this one has come to the end of the round. */
  readonly next: string | null;
}

export interface ClaimWish {
  readonly count: number;
  /** The receiver behind which to begin. */
  readonly after: string;
  /** At once, to one receiver. */
  readonly most: number;
  /** At once, to the `webhook_url`s of one tenant's jobs. Tests make it small. */
  readonly urlsMax?: number;
}

/** Leases what is due, of every receiver as much as it has room for. */
export async function claimDeliveries(
  db: Database,
  { count, after, most, urlsMax = limits.webhookUrlsOfTenantMax }: ClaimWish,
): Promise<Claim> {
  const { rows } = await db.query<{ next: string | null; id: string | null; tries: number; lateMs: number }>({
    name: 'claim_webhooks',
    text: `SELECT next, delivery AS id, delivery_tries AS tries, waited_ms AS "lateMs"
           FROM claim_webhooks($1, $2, $3, $4, $5, $6 * interval '1 millisecond')`,
    values: [count, after, limits.webhookLinesOfClaimMax, most, urlsMax, limits.webhookLeaseMs],
  });
  const leased = rows.flatMap(({ id, tries, lateMs }) => (id === null ? [] : [{ id, tries, lateMs }]));
  return { leased, next: rows[0]?.next ?? null };
}

export type ClaimOfOne =
  | { readonly verdict: 'go'; readonly tries: number }
  | { readonly verdict: 'early'; readonly waitMs: number }
  | { readonly verdict: 'busy' }
  | { readonly verdict: 'over'; readonly state: DeliveryEnd };

/** Leases one delivery for the workflow that owns its retries. */
export async function claimDelivery(db: Database, id: string): Promise<ClaimOfOne> {
  const { rows } = await db.query<ClaimOfOne>({
    name: 'claim_webhook',
    text: `SELECT verdict, delivery_state AS state, delivery_tries AS tries, wait_ms AS "waitMs"
           FROM claim_webhook($1, $2, $3, $4 * interval '1 millisecond')`,
    values: [id, limits.webhooksOfReceiverMax, limits.webhookUrlsOfTenantMax, limits.webhookLeaseMs],
  });
  return only(rows, 'claim_webhook');
}
