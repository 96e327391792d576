import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { beginAttempt } from '../../src/db/ledger/attempts.ts';
import { limitQueries } from '../../src/db/limit-queries.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { insertEndpoint } from '../../src/db/webhooks/endpoints.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { webhookKinds } from '../../src/domain/webhook.ts';
import { createWebhookClient, webhookUrlPolicy } from '../../src/providers/webhook-client.ts';
import { createSecretBox } from '../../src/webhooks/secret-box.ts';
import { newSecret } from '../../src/webhooks/signature.ts';
import type { TryDeps } from '../../src/webhooks/try-delivery.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../db/ledger/ledger-bench.ts';
import { type Receiver, startReceiver } from './receiver.ts';

export interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}

export interface DeliveryRow {
  readonly id: string;
  readonly event_id: string;
  readonly endpoint: string | null;
  readonly kind: string;
  readonly state: string;
  readonly reason: string | null;
  readonly tries: number;
  readonly wait_s: number;
  readonly relay_wait_s: number;
}

/** A database with jobs that end, a subscriber's server, and what makes tries of webhooks. */
export interface WebhookBench extends LedgerBench {
  readonly receiver: Receiver;
  readonly tryDeps: TryDeps;
  /** A path of its own at the receiver, unless a URL is given. */
  addEndpoint(wish?: { url?: string; events?: readonly string[]; tenant?: string }): Promise<Endpoint>;
  /** A job that has failed, with these fields in its request. */
  failJob(request?: object): Promise<string>;
  beginJob(request?: object): Promise<string>;
  deliveries(job: string): Promise<readonly DeliveryRow[]>;
  delivery(id: string): Promise<DeliveryRow>;
  /** As if that much time had passed for this delivery: its lease, its delays, and its receiver’s pause. */
  age(id: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

export const box = createSecretBox([{ id: 'k1', key: randomBytes(32) }]);

/** Deadlines that a test can wait for. */
const shortTimeouts = { connectMs: 500, totalMs: 1_000, bodyMs: 100 };

const columns = `id, event_id, endpoint, kind, state, reason, tries,
  extract(epoch FROM next_try_at - clock_timestamp())::float8 AS wait_s,
  extract(epoch FROM relay_at - clock_timestamp())::float8 AS relay_wait_s`;

export async function openWebhookBench(timeouts = shortTimeouts): Promise<WebhookBench> {
  const ledger = await createLedgerBench();
  const receiver = await startReceiver();
  const { pool } = ledger;
  const post = createWebhookClient({ policy: webhookUrlPolicy({ privateAllowed: true }), timeouts });
  const acceptJob = async (request: object): Promise<string> => {
    const job = await ledger.acceptJob();
    await pool.query('UPDATE jobs SET request = request || $2 WHERE id = $1', [job, JSON.stringify(request)]);
    return job;
  };
  return {
    ...ledger,
    receiver,
    tryDeps: {
      db: limitQueries(pool, limits.webhookQueriesAtOnceMax),
      post,
      box,
      publicUrl: 'https://videos.example.com',
    },
    async addEndpoint({ events = webhookKinds, tenant = 'default', ...wish } = {}) {
      const id = `whe_${uuidv7().replaceAll('-', '')}`;
      const url = wish.url ?? `${receiver.origin}/${id}`;
      const secret = newSecret();
      const endpoint = { id, tenant, url, events, description: '', secret: box.seal(secret, id), endpointsMax: 1e6 };
      if ((await insertEndpoint(pool, endpoint)) === undefined) throw new Error('no room for an endpoint');
      return { id, url, secret };
    },
    async failJob(request = {}) {
      const job = await acceptJob(request);
      await settleJob(pool, job, { phase: 'failed', failure: failureOf('timed_out') });
      return job;
    },
    async beginJob(request = {}) {
      const job = await acceptJob(request);
      const [grant = ''] = await ledger.grant(job);
      await beginAttempt(pool, beginOrder(job, grant));
      return job;
    },
    async deliveries(job) {
      const text = `SELECT ${columns} FROM webhook_deliveries WHERE job = $1 ORDER BY event_id, endpoint, created_at`;
      return (await pool.query<DeliveryRow>(text, [job])).rows;
    },
    delivery: (id) => ledger.row<DeliveryRow>(`SELECT ${columns} FROM webhook_deliveries WHERE id = $1`, id),
    async age(id, seconds) {
      await pool.query(
        `UPDATE webhook_deliveries
         SET leased_until = CASE WHEN leased_until > '-infinity' THEN leased_until - $2 * interval '1 second' ELSE leased_until END,
             next_try_at = next_try_at - $2 * interval '1 second', relay_at = relay_at - $2 * interval '1 second',
             created_at = created_at - $2 * interval '1 second'
         WHERE id = $1`,
        [id, seconds],
      );
      await pool.query(
        `UPDATE webhook_receivers SET throttled_until = throttled_until - $2 * interval '1 second'
         WHERE receiver = (SELECT receiver FROM webhook_deliveries WHERE id = $1)`,
        [id, seconds],
      );
    },
    async close() {
      await receiver.close();
      await ledger.drop();
    },
  };
}
