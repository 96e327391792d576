import { limits } from '../domain/limits.ts';
import type { AfterTry, DeliveryEnd, DeliveryState } from '../domain/webhook.ts';
import type { Database } from './pool.ts';
import { millis, only } from './sql.ts';

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
}

/** Leases what is due, of every receiver as much as it has room for. */
export async function claimDeliveries(db: Database, { count, after, most }: ClaimWish): Promise<Claim> {
  const { rows } = await db.query<{ next: string | null; id: string | null; tries: number; lateMs: number }>({
    name: 'claim_webhooks',
    text: `SELECT next, delivery AS id, delivery_tries AS tries, waited_ms AS "lateMs"
           FROM claim_webhooks($1, $2, $3, $4, $5 * interval '1 millisecond')`,
    values: [count, after, limits.webhookLinesOfClaimMax, most, limits.webhookLeaseMs],
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
           FROM claim_webhook($1, $2, $3 * interval '1 millisecond')`,
    values: [id, limits.webhooksOfReceiverMax, limits.webhookLeaseMs],
  });
  return only(rows, 'claim_webhook');
}

/** Whom to tell what, as it is known when the try is made. */
export interface Dispatch {
  readonly eventId: string;
  readonly kind: string;
  readonly eventAt: number;
  readonly tenant: string;
  readonly endpoint: string | null;
  /** Null: it was erased with its job, or its endpoint was deleted. */
  readonly url: string | null;
  /** Sealed. Null: the tenant has no secret yet. */
  readonly secret: string | null;
  /** Sealed. Null: only one signs. */
  readonly previousSecret: string | null;
  readonly job: JobOfDispatch | null;
}

export interface JobOfDispatch {
  readonly id: string;
  readonly model: string;
  readonly acceptedAt: number;
  readonly finishedAt: number | null;
  readonly failureCode: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly costUsdMicros: number | null;
  readonly expiresAt: number | null;
  readonly output: { readonly contentType: string; readonly bytes: number; readonly sha256: string } | null;
}

export async function findDispatch(db: Database, id: string): Promise<Dispatch | undefined> {
  const { rows } = await db.query<Dispatch>({
    name: 'find_webhook_dispatch',
    text: `SELECT d.event_id AS "eventId", d.kind, ${millis('d.event_at')} AS "eventAt", d.tenant, d.endpoint,
                  CASE WHEN d.endpoint IS NULL THEN jobs.request ->> 'webhook_url' ELSE e.url END AS url,
                  coalesce(e.secret, s.secret) AS secret,
                  CASE WHEN coalesce(e.previous_until, s.previous_until) > clock_timestamp()
                       THEN coalesce(e.previous_secret, s.previous_secret) END AS "previousSecret",
                  CASE WHEN jobs.id IS NOT NULL THEN jsonb_build_object(
                    'id', jobs.id, 'model', jobs.model, 'acceptedAt', ${millis('jobs.accepted_at')},
                    'finishedAt', ${millis('jobs.finished_at')}, 'failureCode', jobs.failure ->> 'code',
                    'metadata', jobs.request -> 'metadata', 'expiresAt', ${millis('stored.expires_at')},
                    'costUsdMicros', (SELECT sum(cost_usd_micros) FROM attempts WHERE attempts.job = jobs.id),
                    'output', CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
                      'contentType', stored.content_type, 'bytes', stored.bytes, 'sha256', encode(stored.sha256, 'hex')) END
                  ) END AS job
           FROM webhook_deliveries d
           LEFT JOIN webhook_endpoints e ON e.id = d.endpoint AND e.deleted_at IS NULL
           LEFT JOIN webhook_secrets s ON s.tenant = d.tenant AND d.endpoint IS NULL
           LEFT JOIN jobs ON jobs.id = d.job
           LEFT JOIN assets stored ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt
             AND stored.stored_at IS NOT NULL AND stored.removed_at IS NULL AND stored.expires_at > clock_timestamp()
           WHERE d.id = $1`,
    values: [id],
  });
  return rows[0];
}

/** One line of the delivery log. */
export interface TryRecord {
  readonly status: number | null;
  /** Why there was no answer, as a code. */
  readonly error: string | null;
  readonly excerpt: string;
  readonly durationMs: number;
}

export interface RecordedTry {
  readonly state: DeliveryState;
  /** Until the next try, where there is one. */
  readonly waitMs: number;
  /** Why its endpoint was disabled by this very try. */
  readonly disabled: 'gone' | 'failing' | null;
}

/** Notes a try and what follows from it. */
export async function recordTry(
  db: Database,
  delivery: LeasedDelivery,
  made: TryRecord & { readonly after: AfterTry },
): Promise<RecordedTry> {
  const { after } = made;
  const delayMs = after.outcome === 'again' ? after.delayMs : 0;
  const pauseMs = 'pauseMs' in after ? after.pauseMs : 0;
  const { rows } = await db.query<RecordedTry>({
    name: 'record_webhook_try',
    text: `SELECT delivery_state AS state, wait_ms AS "waitMs", disabled
           FROM record_webhook_try($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond', $9 * interval '1 millisecond',
                                   $10 * interval '1 millisecond')`,
    values: [
      delivery.id,
      delivery.tries,
      after.outcome,
      made.status,
      made.error,
      made.excerpt,
      Math.round(made.durationMs),
      delayMs,
      pauseMs,
      limits.webhookGraceMs,
    ],
  });
  return only(rows, 'record_webhook_try');
}

/** There is no URL any more to tell it to. */
export async function dropErased(db: Database, id: string): Promise<void> {
  await db.query({ name: 'drop_erased', text: `SELECT end_webhook($1, 'dropped', 'erased')`, values: [id] });
}

/** No workflow could be started for it: the relay itself makes its next try. */
export async function keepForRelay(db: Database, id: string): Promise<void> {
  await db.query({
    name: 'keep_webhook_for_relay',
    text: 'UPDATE webhook_deliveries SET relay_at = next_try_at WHERE id = $1 AND ended_at IS NULL',
    values: [id],
  });
}

/** Ends what nobody is to be told any more. Returns how many; there may be more. */
export async function dropUseless(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'drop_webhooks',
    text: 'SELECT drop_webhooks() AS count',
  });
  return only(rows, 'drop_webhooks').count;
}

/** How many wait for a first try, and how many for another one. */
export async function countOpenDeliveries(
  db: Database,
): Promise<{ readonly pending: number; readonly retrying: number }> {
  const { rows } = await db.query<{ pending: number; retrying: number }>({
    name: 'count_open_webhooks',
    text: `SELECT count(*) FILTER (WHERE state = 'pending')::int AS pending,
                  count(*) FILTER (WHERE state = 'retrying')::int AS retrying
           FROM webhook_deliveries WHERE state IN ('pending', 'retrying')`,
  });
  return only(rows, 'webhook_deliveries');
}

/** Forgets deliveries with their logs, and deleted endpoints, once they are old. Returns how many. */
export async function forgetDeliveries(
  db: Database,
  { daysKept, count }: { readonly daysKept: number; readonly count: number },
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'forget_webhooks',
    text: `WITH endpoints AS (
             DELETE FROM webhook_endpoints WHERE deleted_at < now() - $1 * interval '1 day'
           )
           DELETE FROM webhook_deliveries WHERE id IN (
             SELECT id FROM webhook_deliveries
             WHERE created_at < now() - $1 * interval '1 day' AND ended_at IS NOT NULL
             LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    values: [daysKept, count],
  });
  return rowCount ?? 0;
}
