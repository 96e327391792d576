import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

/** One try of a request that came without a key, from a client that numbers its tries. */
export interface RequestTry {
  /** The id that its job would have. */
  readonly id: JobId;
  readonly tenant: string;
  /** SHA-256 of what was asked for, in hexadecimal. */
  readonly fingerprint: string;
  /** From 0. */
  readonly retry: number;
  /** When it reached us, in milliseconds since the epoch. */
  readonly receivedAt: number;
}

export interface ClaimedJob {
  /** The try's own. */
  readonly id: JobId;
  /** The id of the job of all tries of this request. */
  readonly job: JobId;
}

/** Agrees on the jobs of tries, once and for all. See the migration for the rules. Like tries are locked in one order. */
export async function claimRequests(
  db: Database,
  tries: readonly RequestTry[],
  windowMs: number,
): Promise<readonly ClaimedJob[]> {
  const { rows } = await db.query<ClaimedJob>({
    name: 'claim_requests',
    text: `SELECT input.id, claim.job
           FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::float8[])
                   AS tries(id, tenant, fingerprint, retry, received_ms)
                 ORDER BY tenant, fingerprint, retry, id) AS input
           CROSS JOIN LATERAL claim_request(input.id, input.tenant, decode(input.fingerprint, 'hex'), input.retry,
                                            to_timestamp(input.received_ms / 1000), $6 * interval '1 millisecond') AS claim(job)`,
    values: [
      tries.map(({ id }) => id),
      tries.map(({ tenant }) => tenant),
      tries.map(({ fingerprint }) => fingerprint),
      tries.map(({ retry }) => retry),
      tries.map(({ receivedAt }) => receivedAt),
      windowMs,
    ],
  });
  return rows;
}

/** Forgets tries that no retry can be taken for any more. By our own clock: those of the API may be off by a little. */
export async function deleteOldRequests(
  db: Database,
  settings: { readonly msKept: number; readonly count: number },
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'delete_old_requests',
    text: `DELETE FROM recent_requests WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM recent_requests
             WHERE received_at < (SELECT clock_timestamp()) - $1 * interval '1 millisecond' LIMIT $2))`,
    values: [settings.msKept, settings.count],
  });
  return rowCount ?? 0;
}
