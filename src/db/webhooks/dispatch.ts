import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** Whom to tell what, as it is known when the try is made. */
export interface Dispatch {
  readonly eventId: string;
  readonly kind: string;
  readonly eventAt: number;
  readonly tenant: string;
  readonly endpoint: string | null;
  /** Its job was deleted: nobody is told of it any more. */
  readonly isErased: boolean;
  /** Null: it went with its job, or its endpoint was deleted. */
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
                  d.job IS NOT NULL AND jobs.request IS NULL AS "isErased",
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
