import type { OwnedJob } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** Asks for the end of a job. Returns the phase that stands, `cancelling` while its workflow has to end it. */
export async function requestCancel(db: Database, job: OwnedJob): Promise<string | null> {
  const { rows } = await db.query<{ phase: string | null }>({
    name: 'request_cancel',
    text: 'SELECT request_cancel($1, $2) AS phase',
    values: [job.id, job.tenant],
  });
  return only(rows, 'request_cancel').phase;
}

/** What vendors may still be at, when their job is to end or has ended. */
export interface LiveAttempts {
  readonly route: Route;
  /** Of each attempt that its vendor has not been proven to be done with. */
  readonly attempts: readonly LiveAttempt[];
}

export interface LiveAttempt {
  /** Index into the job's route. */
  readonly target: number;
  /** What it was reserved at, in millionths of a US dollar. Null: unknown. */
  readonly priceUsdMicros: number | null;
}

/** Undefined: the tenant has no such job. */
export async function findLiveAttempts(db: Database, { id, tenant }: OwnedJob): Promise<LiveAttempts | undefined> {
  const { rows } = await db.query<LiveAttempts>({
    name: 'find_live_attempts',
    text: `SELECT route, coalesce((SELECT jsonb_agg(jsonb_build_object('target', target, 'priceUsdMicros', price_usd_micros))
                                   FROM attempts WHERE attempts.job = jobs.id AND ended_at IS NULL), '[]') AS attempts
           FROM jobs WHERE id = $1 AND tenant = $2 AND erase_requested_at IS NULL`,
    values: [id, tenant],
  });
  return rows[0];
}
