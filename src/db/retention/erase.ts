import type { OwnedJob } from '../../domain/job.ts';
import type { Database } from '../pool.ts';
import { millis, only } from '../sql.ts';

/** Forgets a job of a tenant: at once all that is kept here, the rest later. False: there is none, or no longer. */
export async function eraseJob(db: Database, { id, tenant }: OwnedJob): Promise<boolean> {
  const { rows } = await db.query<{ erased: boolean }>({
    name: 'erase_job',
    text: 'SELECT erase_job($1, $2) AS erased',
    values: [id, tenant],
  });
  return only(rows, 'erase_job').erased;
}

/** What became of a vendor's own record of an attempt. Null: it is still to be asked. */
export type VendorErasure = 'erased' | 'not_supported' | 'failed' | null;

/** How far a deletion has come. */
export interface Receipt {
  /** Milliseconds since the epoch, as all moments here. */
  readonly requestedAt: number;
  /** Null: something is left. */
  readonly erasedAt: number | null;
  readonly isFinal: boolean;
  readonly hadInput: boolean;
  /** There is, or was, a copy of ours of a video. */
  readonly hadVideo: boolean;
  /** Pictures and videos are gone. */
  readonly isRemoved: boolean;
  /** Null: nothing has been booked. */
  readonly costUsdMicros: number | null;
  readonly attempts: readonly ReceiptAttempt[];
}

/** An attempt that its vendor may know something of. */
export interface ReceiptAttempt {
  readonly provider: string;
  /** Null: nobody here knows by what name. */
  readonly operation: string | null;
  /** The vendor is done with it. */
  readonly hasEnded: boolean;
  readonly erasure: VendorErasure;
}

export async function findReceipt(db: Database, { id, tenant }: OwnedJob): Promise<Receipt | undefined> {
  const { rows } = await db.query<Receipt>({
    name: 'find_receipt',
    text: `SELECT ${millis('e.requested_at')} AS "requestedAt", ${millis('e.erased_at')} AS "erasedAt",
                  jobs.finished_at IS NOT NULL AS "isFinal", e.had_input AS "hadInput", e.removed_at IS NOT NULL AS "isRemoved",
                  EXISTS (SELECT FROM assets WHERE assets.job = e.job AND stored_at IS NOT NULL
                            AND (removed_at IS NULL OR removed_at >= e.requested_at)) AS "hadVideo",
                  (SELECT sum(cost_usd_micros)::float8 FROM attempts WHERE attempts.job = e.job) AS "costUsdMicros",
                  coalesce((SELECT jsonb_agg(jsonb_build_object('provider', provider, 'operation', operation, 'hasEnded', ended_at IS NOT NULL, 'erasure', erasure)
                                             ORDER BY attempt)
                            FROM attempts WHERE attempts.job = e.job AND state <> 'refused'), '[]') AS attempts
           FROM erasures e JOIN jobs ON jobs.id = e.job
           WHERE e.job = $1 AND e.tenant = $2`,
    values: [id, tenant],
  });
  return rows[0];
}
