import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

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

/** Forgets secrets that sign no more, and receivers' troubles that are over. */
export async function forgetWebhookTraces(db: Database, { daysKept }: { readonly daysKept: number }): Promise<void> {
  await db.query(
    `UPDATE webhook_endpoints SET previous_secret = NULL, previous_until = NULL WHERE previous_until < now()`,
  );
  await db.query(
    `UPDATE webhook_secrets SET previous_secret = NULL, previous_until = NULL WHERE previous_until < now()`,
  );
  await db.query({
    name: 'forget_webhook_receivers',
    text: `DELETE FROM webhook_receivers r
           WHERE last_failure_at < now() - $1 * interval '1 day' AND throttled_until < now() - $1 * interval '1 day'
             AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
                             WHERE d.receiver = r.receiver AND d.state IN ('pending', 'retrying'))`,
    values: [daysKept],
  });
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
