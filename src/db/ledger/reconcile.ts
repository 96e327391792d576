import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

export async function readWatermark(db: Database, id: string): Promise<Date | undefined> {
  const { rows } = await db.query<{ at: Date }>('SELECT at FROM watermarks WHERE id = $1', [id]);
  return rows[0]?.at;
}

export async function writeWatermark(db: Database, id: string, at: Date): Promise<void> {
  await db.query(
    `INSERT INTO watermarks (id, at) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET at = greatest(watermarks.at, excluded.at)`,
    [id, at],
  );
}

/** Jobs among these that have no end yet. */
export async function findOpenJobs(db: Database, ids: readonly string[]): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ id: JobId }>(
    'SELECT id FROM jobs WHERE id = ANY($1::text[]) AND finished_at IS NULL',
    [ids],
  );
  return rows.map(({ id }) => id);
}

/**
 * Leases jobs that were handed to a workflow and of which nothing has been heard for a while: no event, and no start on
 * its way. Their workflow may be waiting rightly, or be lost. Who was asked about last comes last, so that many who wait
 * rightly never hide one that is lost.
 */
export async function leaseSilentJobs(
  db: Database,
  settings: { silentMs: number; count: number },
): Promise<readonly JobId[]> {
  const { rows } = await db.query<{ id: JobId }>(
    `WITH silent AS (
     SELECT jobs.id FROM jobs
     WHERE jobs.finished_at IS NULL
       AND jobs.dispatched_at < clock_timestamp() - $1 * interval '1 millisecond'
       AND NOT EXISTS (SELECT 1 FROM mailbox WHERE mailbox.job = jobs.id AND mailbox.kind = 'start')
       AND NOT EXISTS (SELECT 1 FROM job_events WHERE job_events.job = jobs.id
                       AND job_events.seq = jobs.event_seq AND job_events.at > clock_timestamp() - $1 * interval '1 millisecond')
       AND (jobs.checked_at IS NULL OR jobs.checked_at < clock_timestamp() - $1 * interval '1 millisecond')
     ORDER BY jobs.checked_at NULLS FIRST, jobs.accepted_at
     LIMIT $2
     FOR NO KEY UPDATE SKIP LOCKED
     )
     UPDATE jobs SET checked_at = clock_timestamp() FROM silent WHERE jobs.id = silent.id RETURNING jobs.id`,
    [settings.silentMs, settings.count],
  );
  return rows.map(({ id }) => id);
}

/** Has a workflow that is lost started anew; it finds what the ledger knows. A permit that was never used goes along. */
export async function restartWorkflow(db: Database, jobId: JobId): Promise<void> {
  await db.query(
    `INSERT INTO mailbox (job, kind, attempt, payload)
     SELECT $1::job_id, 'start', 0, coalesce(
       (SELECT jsonb_build_object('attempt', p.attempt, 'target', p.target, 'grant', p.grant_id::text) FROM permits p
        WHERE p.job = $1::job_id AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p.job AND a.attempt = p.attempt)
        LIMIT 1),
       (SELECT jsonb_build_object('target', target) FROM tickets WHERE job = $1::job_id AND kind = 'first' AND target > 0), '{}')
     ON CONFLICT (job, kind, attempt) DO NOTHING`,
    [jobId],
  );
}

/**
 * Permits whose attempt has ended though the release was lost, and unsubmitted ones of final jobs: leaks. What these
 * had reserved comes back; of an ended attempt that has been booked.
 */
export async function releaseLeakedPermits(db: Database): Promise<number> {
  const { rowCount } = await db.query(
    `WITH leaked AS MATERIALIZED (
       SELECT permits.grant_id, a.job IS NULL AS unsubmitted
       FROM permits JOIN jobs ON jobs.id = permits.job
       LEFT JOIN attempts a ON a.job = permits.job AND a.attempt = permits.attempt
       WHERE a.ended_at IS NOT NULL OR (a.job IS NULL AND jobs.finished_at IS NOT NULL)
       -- The job before its permit, as everywhere; who has it at the moment may be releasing it.
       FOR NO KEY UPDATE OF jobs SKIP LOCKED
     ), released AS (
       DELETE FROM permits USING leaked WHERE permits.grant_id = leaked.grant_id
       RETURNING permits.job, permits.price_usd_micros, permits.reserved_usd_micros, leaked.unsubmitted
     )
     SELECT CASE WHEN unsubmitted THEN append_refund(price_usd_micros, 0) END,
            CASE WHEN unsubmitted THEN give_back(job, reserved_usd_micros) END
     FROM released`,
  );
  return rowCount ?? 0;
}

/** An attempt that nobody waits for any more, or longer than it can last, while its permit is still held. */
export interface Zombie {
  readonly job: JobId;
  readonly attempt: number;
  readonly provider: string;
  readonly operation: string | null;
  /** The vendor's model id. */
  readonly model: string;
  /** Older than the longest that its target can take: whatever became of it, it is over. */
  readonly isExpired: boolean;
}

/** Leases a few zombies for a check: each is looked at once in `everyMs`, whoever reconciles. */
export async function leaseZombies(
  db: Database,
  settings: { everyMs: number; count: number },
): Promise<readonly Zombie[]> {
  const { rows } = await db.query<Zombie>(
    `WITH due AS (
       SELECT p.grant_id, a.job, a.attempt, a.provider, a.operation,
              j.route -> a.target::int ->> 'vendorModel' AS model,
              a.submitted_at + (j.route -> a.target::int ->> 'longestMs')::float8 * interval '1 millisecond' < clock_timestamp() AS expired
       FROM permits p
       JOIN attempts a ON a.job = p.job AND a.attempt = p.attempt
       JOIN jobs j ON j.id = p.job
       WHERE a.ended_at IS NULL
         AND (p.zombie_since IS NOT NULL
           OR a.submitted_at + (j.route -> a.target::int ->> 'longestMs')::float8 * interval '1 millisecond' < clock_timestamp())
         AND (p.checked_at IS NULL OR p.checked_at < clock_timestamp() - $1 * interval '1 millisecond')
       ORDER BY p.checked_at NULLS FIRST
       LIMIT $2
     ), leased AS (
       UPDATE permits SET checked_at = clock_timestamp() FROM due WHERE permits.grant_id = due.grant_id
     )
     SELECT job, attempt, provider, operation, model, expired AS "isExpired" FROM due`,
    [settings.everyMs, settings.count],
  );
  return rows;
}

/** Vacuums the queue tables: the default naptime is too slow for them (scheduler.md). Never inside a transaction. */
export async function vacuumQueues(db: Database): Promise<void> {
  await db.query(
    'VACUUM (TRUNCATE OFF) tickets, arrivals, flows, depths, permits, mailbox, refunds, spending, spending_refunds, throttles',
  );
}
