import { limits } from '../../domain/limits/limits.ts';
import type { AfterTry, DeliveryState } from '../../domain/webhook.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';
import type { LeasedDelivery } from './claims.ts';

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

/** There is nobody any more to tell it to. */
export async function dropDelivery(
  db: Database,
  { id, reason }: { readonly id: string; readonly reason: 'erased' | 'endpoint_disabled' },
): Promise<void> {
  await db.query({ name: 'drop_webhook', text: `SELECT end_webhook($1, 'dropped', $2)`, values: [id, reason] });
}

/** No workflow could be started for it: the relay itself makes its next try. */
export async function keepForRelay(db: Database, id: string): Promise<void> {
  await db.query({
    name: 'keep_webhook_for_relay',
    text: 'UPDATE webhook_deliveries SET relay_at = next_try_at WHERE id = $1 AND ended_at IS NULL',
    values: [id],
  });
}
