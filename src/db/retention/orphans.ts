import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';

/** Something at a vendor, or a word of one, that is in no ledger of ours. */
export interface Orphan {
  readonly job: JobId;
  readonly attempt: number;
  readonly provider: string;
  readonly targetName: string | null;
  /** What the vendor calls it. Null: nobody could tell. */
  readonly operation: string | null;
  readonly foundBy: 'callback' | 'restore';
  /** What its last callback said. */
  readonly said: string | null;
}

export interface NotedOrphan extends Orphan {
  readonly times: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
  readonly adoptedAt: Date | null;
  /** What of ours it would belong to. `an_attempt`: one that has no end yet. */
  readonly belongsTo: 'nothing' | 'a_job' | 'an_attempt' | 'an_ended_attempt' | 'an_ended_job';
  /** What the attempt was asked of, where we have it. */
  readonly model: string | null;
}

/**
 * Notes it, once; what is learned of it later is added. Its name, once known, is replaced by what our own history says, and by
 * a callback whose `token` is the attempt's alone: any other the vendor would send to whoever asks it to. Beyond the bound nothing new is noted that only a callback spoke of: what
 * we remember to have sent is bounded by our own workflows. False: it was not.
 */
export async function noteOrphan(db: Database, orphan: Orphan & { readonly token?: string }): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'note_orphan',
    text: `INSERT INTO orphans AS kept (job, attempt, provider, target_name, operation, found_by, said)
           SELECT $1::text, $2::int, $3::text, $4, $5, $6::text, $7
           WHERE (SELECT count(*) FROM (SELECT FROM orphans LIMIT ${limits.orphansNotedMax}) AS noted) < ${limits.orphansNotedMax}
              OR $6 = 'restore'
              OR EXISTS (SELECT FROM orphans WHERE job = $1::text AND attempt = $2::int AND provider = $3::text)
           ON CONFLICT (job, attempt, provider) DO UPDATE
           SET times = kept.times + 1, last_at = clock_timestamp(), said = coalesce(excluded.said, kept.said),
               operation = CASE WHEN $6 = 'restore' OR $8::text = attempt_token($1, $2) THEN coalesce(excluded.operation, kept.operation)
                                ELSE coalesce(kept.operation, excluded.operation) END,
               target_name = coalesce(excluded.target_name, kept.target_name)`,
    values: [
      orphan.job,
      orphan.attempt,
      orphan.provider,
      orphan.targetName,
      orphan.operation,
      orphan.foundBy,
      orphan.said,
      orphan.token ?? null,
    ],
  });
  return rowCount === 1;
}

/** The newest first. */
export async function listOrphans(db: Database, count: number): Promise<readonly NotedOrphan[]> {
  const { rows } = await db.query<NotedOrphan>({
    name: 'list_orphans',
    text: `SELECT o.job, o.attempt, o.provider, o.target_name AS "targetName", o.operation, o.found_by AS "foundBy", o.said, o.times,
                  o.first_at AS "firstAt", o.last_at AS "lastAt", o.adopted_at AS "adoptedAt",
                  CASE WHEN jobs.id IS NULL THEN 'nothing'
                       WHEN a.job IS NOT NULL AND a.ended_at IS NULL THEN 'an_attempt'
                       WHEN jobs.finished_at IS NOT NULL THEN 'an_ended_job'
                       WHEN a.job IS NOT NULL THEN 'an_ended_attempt'
                       ELSE 'a_job' END AS "belongsTo",
                  jobs.route -> a.target ->> 'vendorModel' AS model
           FROM orphans o
           LEFT JOIN jobs ON jobs.id = o.job
           LEFT JOIN attempts a ON a.job = o.job AND a.attempt = o.attempt AND a.provider = o.provider
           ORDER BY o.last_at DESC
           LIMIT $1`,
    values: [count],
  });
  return rows;
}

/** Those that may be adopted: an attempt of ours at that vendor without an end, and they have a name. */
export async function findAdoptable(db: Database, count: number): Promise<readonly NotedOrphan[]> {
  const all = await listOrphans(db, limits.orphansNotedMax);
  const open = all.filter(({ operation, adoptedAt }) => operation !== null && adoptedAt === null);
  return open.filter(({ belongsTo }) => belongsTo === 'an_attempt').slice(0, count);
}

export async function markAdopted(
  db: Database,
  { job, attempt, provider }: Pick<Orphan, 'job' | 'attempt' | 'provider'>,
): Promise<void> {
  await db.query({
    name: 'mark_orphan_adopted',
    text: `UPDATE orphans SET adopted_at = clock_timestamp() WHERE job = $1 AND attempt = $2 AND provider = $3 AND adopted_at IS NULL`,
    values: [job, attempt, provider],
  });
}

/** Forgets those of which nothing was heard for long. Returns how many. */
export async function forgetOrphans(
  db: Database,
  { daysKept, count }: { daysKept: number; count: number },
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'forget_orphans',
    text: `DELETE FROM orphans WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM orphans WHERE last_at < now() - $1 * interval '1 day' LIMIT $2))`,
    values: [daysKept, count],
  });
  return rowCount ?? 0;
}
