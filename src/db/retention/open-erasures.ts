import type { JobId } from '../../domain/job.ts';
import type { VendorErasure } from './erase.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** A deletion that somebody has to go on with. */
export interface OpenErasure {
  readonly jobId: JobId;
  readonly tenant: string;
  /** How often something of it has failed. */
  readonly tries: number;
  readonly isFinal: boolean;
  /** Only the last look is left. */
  readonly isErased: boolean;
  /** Milliseconds since it was asked for. */
  readonly ageMs: number;
  /** Our copies of its videos, whole or begun. */
  readonly assetKeys: readonly string[];
  /** Whose vendors have not been asked yet. */
  readonly attempts: readonly OpenAttempt[];
}

export interface OpenAttempt {
  readonly attempt: number;
  readonly provider: string;
  readonly operation: string | null;
  /** The vendor's model id. */
  readonly model: string | null;
  /** The vendor is done with it. */
  readonly hasEnded: boolean;
}

/** Takes some deletions that are due, for so long. Whoever dies meanwhile leaves them to the next one. */
export async function leaseErasures(
  db: Database,
  { count, leaseMs }: { readonly count: number; readonly leaseMs: number },
): Promise<readonly OpenErasure[]> {
  const { rows } = await db.query<OpenErasure>({
    name: 'lease_erasures',
    text: `WITH due AS (
             SELECT job FROM erasures WHERE closed_at IS NULL AND due_at <= (SELECT clock_timestamp())
             ORDER BY due_at LIMIT $1
             FOR UPDATE SKIP LOCKED
           ), leased AS (
             UPDATE erasures SET due_at = clock_timestamp() + $2 * interval '1 millisecond'
             FROM due WHERE erasures.job = due.job
             RETURNING erasures.*
           )
           SELECT leased.job AS "jobId", leased.tenant, leased.tries, jobs.finished_at IS NOT NULL AS "isFinal",
                  leased.erased_at IS NOT NULL AS "isErased", ${millis('clock_timestamp() - leased.requested_at')} AS "ageMs",
                  ARRAY(SELECT key FROM assets WHERE assets.job = leased.job ORDER BY attempt) AS "assetKeys",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('attempt', attempt, 'provider', provider, 'operation', operation,
                                               'model', jobs.route -> target::int ->> 'vendorModel', 'hasEnded', ended_at IS NOT NULL)
                                             ORDER BY attempt)
                            FROM attempts WHERE attempts.job = leased.job AND erasure IS NULL AND state <> 'refused'), '[]') AS attempts
           FROM leased JOIN jobs ON jobs.id = leased.job`,
    values: [count, leaseMs],
  });
  return rows;
}

/**
 * Empties what the end of the job has brought, and what is not found by the job's own key, so that it is not done while its
 * owner waits: links to videos, the digest of the request beside its idempotency key, what subscribers answered. Copies of
 * its videos are served to nobody from here on. The key was written in the transaction that accepted the job.
 */
export async function emptyTraces(db: Database, jobId: JobId): Promise<void> {
  await db.query({
    name: 'empty_traces',
    text: `WITH links AS (
             UPDATE attempts SET video_url = NULL WHERE job = $1 AND video_url IS NOT NULL
           ), digests AS (
             UPDATE idempotency_keys SET fingerprint = ''
             WHERE job = $1 AND created_at = (SELECT accepted_at FROM jobs WHERE id = $1) AND fingerprint <> ''
           ), answers AS (
             UPDATE webhook_tries SET excerpt = ''
             FROM webhook_deliveries WHERE webhook_deliveries.job = $1 AND webhook_tries.delivery = webhook_deliveries.id
               AND excerpt <> ''
           )
           UPDATE assets SET expires_at = clock_timestamp()
           WHERE job = $1 AND stored_at IS NOT NULL AND removed_at IS NULL AND expires_at > clock_timestamp()`,
    values: [jobId],
  });
}

/**
 * Notes that pictures and videos are gone. A copy that was begun and never noted as whole is left to retention all the
 * same: whoever makes it may have a last write under way.
 */
export async function noteObjectsRemoved(db: Database, jobId: JobId): Promise<void> {
  await db.query({
    name: 'note_objects_removed',
    text: `WITH videos AS (
             UPDATE assets SET removed_at = clock_timestamp() WHERE job = $1 AND stored_at IS NOT NULL AND removed_at IS NULL
           )
           UPDATE erasures SET removed_at = coalesce(removed_at, clock_timestamp()) WHERE job = $1`,
    values: [jobId],
  });
}

export async function noteVendorErasure(
  db: Database,
  { jobId, attempt, erasure }: { readonly jobId: JobId; readonly attempt: number; readonly erasure: VendorErasure },
): Promise<void> {
  await db.query({
    name: 'note_vendor_erasure',
    text: 'UPDATE attempts SET erasure = $3 WHERE job = $1 AND attempt = $2',
    values: [jobId, attempt, erasure],
  });
}

export interface ErasureNote {
  readonly jobId: JobId;
  /** `waiting`: for an end. `failed`: to be tried again. `erased`: nothing is left. `closed`: nor has anything come since. */
  readonly state: 'waiting' | 'failed' | 'erased' | 'closed';
  readonly dueInMs: number;
}

/** Ends a visit. */
export async function noteErasure(db: Database, { jobId, state, dueInMs }: ErasureNote): Promise<void> {
  await db.query({
    name: 'note_erasure',
    text: `UPDATE erasures
           SET due_at = clock_timestamp() + $3 * interval '1 millisecond',
               tries = tries + CASE WHEN $2 = 'failed' THEN 1 ELSE 0 END,
               erased_at = CASE WHEN $2 IN ('erased', 'closed') THEN coalesce(erased_at, clock_timestamp()) ELSE erased_at END,
               closed_at = CASE WHEN $2 = 'closed' THEN clock_timestamp() END
           WHERE job = $1`,
    values: [jobId, state, dueInMs],
  });
}
