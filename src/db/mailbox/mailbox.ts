import type { JobId, JobPhase } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Route } from '../../domain/route.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** A message to a workflow, leased to us. */
export interface Mail {
  readonly id: string;
  readonly job: JobId;
  readonly kind: 'start' | 'permit' | 'callback' | 'cancel' | 'repair';
  readonly attempt: number;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly tries: number;
  readonly phase: JobPhase;
  readonly route: Route;
  readonly tenant: string;
  /** The public name. */
  readonly model: string;
  readonly acceptedAt: number;
  /** Milliseconds until it may be delivered: a start is not before its permit's moment. */
  readonly waitMs: number;
}

/**
 * Leases what is due or will be within the grant horizon, oldest first. A lease that runs out, because its holder was
 * killed, makes the message due again.
 */
export async function leaseMail(db: Database, count: number): Promise<readonly Mail[]> {
  const { rows } = await db.query<Mail>({
    name: 'lease_mail',
    text: `WITH due AS (
             SELECT id FROM mailbox
             WHERE leased_until <= (SELECT clock_timestamp())
               AND not_before <= (SELECT clock_timestamp()) + ${limits.grantHorizonMs} * interval '1 millisecond'
             ORDER BY id
             LIMIT $1
             FOR UPDATE SKIP LOCKED
           ), leased AS (
             UPDATE mailbox SET leased_until = clock_timestamp() + ${limits.mailLeaseSeconds} * interval '1 second', tries = tries + 1
             FROM due WHERE mailbox.id = due.id
             RETURNING mailbox.*
           )
           SELECT leased.id::text, leased.job, leased.kind, leased.attempt, leased.payload, leased.tries, jobs.phase, jobs.route,
                  jobs.tenant, jobs.model, floor(${millis('jobs.accepted_at')}) AS "acceptedAt",
                  greatest(0, extract(epoch FROM nullif(leased.not_before, '-infinity') - clock_timestamp()) * 1000)::float8 AS "waitMs"
           FROM leased JOIN jobs ON jobs.id = leased.job
           ORDER BY leased.id`,
    values: [count],
  });
  return rows.map((row) => ({ ...row, waitMs: row.waitMs ?? 0 }));
}

/** Delivered, or of no use any more. */
export async function deleteMail(db: Database, ids: readonly string[]): Promise<void> {
  await db.query({ name: 'delete_mail', text: 'DELETE FROM mailbox WHERE id = ANY($1::bigint[])', values: [ids] });
}

/** Could not be delivered now: due again after a while. */
export async function postponeMail(db: Database, ids: readonly string[], delayMs: number): Promise<void> {
  await db.query({
    name: 'postpone_mail',
    text: `UPDATE mailbox SET leased_until = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = ANY($1::bigint[])`,
    values: [ids, delayMs],
  });
}
