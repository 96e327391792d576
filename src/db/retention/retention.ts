import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';

/** Part of what is due, in the order in which it became so. */
export interface Page {
  /** Of those that come first: tried and stuck. */
  readonly skip: number;
  readonly count: number;
}

/** A video whose time is over, with where its bytes lie. */
export interface ExpiredAsset {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly key: string;
}

/**
 * Statements of retention compare with `now()`, which an index can be read by; `clock_timestamp()` would walk all of it.
 * Nobody is shut out while the bytes go: whoever finds the same rows removes what is gone already.
 */
export async function findExpiredAssets(db: Database, { skip, count }: Page): Promise<readonly ExpiredAsset[]> {
  const { rows } = await db.query<ExpiredAsset>({
    name: 'find_expired_assets',
    text: `SELECT job AS "jobId", attempt, key FROM assets
           WHERE removed_at IS NULL AND expires_at <= now()
           ORDER BY expires_at
           LIMIT $1 OFFSET $2`,
    values: [count, skip],
  });
  return rows;
}

/** Their bytes are gone. A copy that somebody has begun anew meanwhile is none of them. */
export async function noteRemovedAssets(db: Database, assets: readonly ExpiredAsset[]): Promise<void> {
  await db.query({
    name: 'note_removed_assets',
    text: `UPDATE assets SET removed_at = clock_timestamp()
           FROM (SELECT * FROM unnest($1::text[], $2::int[]) AS gone(job, attempt) ORDER BY job, attempt) AS gone
           WHERE assets.job = gone.job AND assets.attempt = gone.attempt
             AND removed_at IS NULL AND expires_at <= now()`,
    values: [assets.map(({ jobId }) => jobId), assets.map(({ attempt }) => attempt)],
  });
}

/** A job that has been final for longer than its tenant keeps pictures, with all that is known of its own. */
export interface ExpiredInput {
  readonly jobId: JobId;
  readonly tenant: string;
  /** Null: it was to be read from a URL and never was. */
  readonly key: string | null;
}

export async function findExpiredInputs(db: Database, { skip, count }: Page): Promise<readonly ExpiredInput[]> {
  const { rows } = await db.query<ExpiredInput>({
    name: 'find_expired_inputs',
    text: `SELECT expired.* FROM tenants CROSS JOIN LATERAL (
             SELECT jobs.id AS "jobId", tenant, input_image AS key FROM jobs
             WHERE (input_image IS NOT NULL OR input_url IS NOT NULL) AND input_removed_at IS NULL
               AND tenant = tenants.id AND finished_at <= now() - tenants.input_days_kept * interval '1 day'
             ORDER BY finished_at
             LIMIT $1::int + $2::int
           ) AS expired
           LIMIT $1 OFFSET $2`,
    values: [count, skip],
  });
  return rows;
}

/** The pictures are gone, and a URL that was given for one is forgotten. */
export async function noteRemovedInputs(db: Database, inputs: readonly ExpiredInput[]): Promise<void> {
  await db.query({
    name: 'note_removed_inputs',
    text: `UPDATE jobs SET input_removed_at = clock_timestamp(), input_url = NULL
           FROM (SELECT id FROM unnest($1::text[]) AS gone(id) ORDER BY id) AS gone
           WHERE jobs.id = gone.id AND input_removed_at IS NULL`,
    values: [inputs.map(({ jobId }) => jobId)],
  });
}

export interface ExpiredUpload {
  readonly id: string;
  readonly key: string;
}

export async function findExpiredUploads(db: Database, { skip, count }: Page): Promise<readonly ExpiredUpload[]> {
  const { rows } = await db.query<ExpiredUpload>({
    name: 'find_expired_uploads',
    text: 'SELECT id, key FROM uploads WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 OFFSET $2',
    values: [count, skip],
  });
  return rows;
}

/** What lay there is gone, and so is the place. */
export async function deleteUploads(db: Database, uploads: readonly ExpiredUpload[]): Promise<void> {
  await db.query({
    name: 'delete_uploads',
    text: 'DELETE FROM uploads WHERE id = ANY($1::text[])',
    values: [uploads.map(({ id }) => id)],
  });
}
