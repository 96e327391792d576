import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/**
 * A place for a picture that belongs to no job, noted before anything lies there, so that retention finds it: promised to
 * a client, or taken for a job that is about to be accepted and by its id. The API mints both kinds of id, so that a
 * write in doubt can be repeated.
 */
export interface NewUpload {
  readonly id: string;
  readonly tenant: string;
  readonly key: string;
  readonly bytes: number;
  readonly secondsKept: number;
}

/** One that arrives late, when its job has been accepted, is no longer wanted: the picture is the job's by then. */
export async function insertUploads(db: Database, uploads: readonly NewUpload[]): Promise<void> {
  await db.query({
    name: 'insert_uploads',
    text: `INSERT INTO uploads (id, tenant, key, bytes, expires_at)
           SELECT id, tenant, key, bytes, now() + seconds_kept * interval '1 second'
           FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::float8[])
             AS input(id, tenant, key, bytes, seconds_kept)
           WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = input.id)
           ON CONFLICT (id) DO NOTHING`,
    values: [
      uploads.map(({ id }) => id),
      uploads.map(({ tenant }) => tenant),
      uploads.map(({ key }) => key),
      uploads.map(({ bytes }) => bytes),
      uploads.map(({ secondsKept }) => secondsKept),
    ],
  });
}

export interface Upload {
  readonly key: string;
  /** That were promised. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const columns = `key, bytes, ${millis('expires_at')} AS "expiresAt"`;

/** The place that a signed URL leads to: the signature stands for its owner. Undefined: none, or no longer. */
export async function findUpload(db: Database, id: string): Promise<Upload | undefined> {
  const { rows } = await db.query<Upload>({
    name: 'find_upload',
    text: `SELECT ${columns} FROM uploads WHERE id = $1 AND expires_at > now()`,
    values: [id],
  });
  return rows[0];
}

/** The place that a tenant names by its id. Undefined: it has none, or no longer. */
export async function findOwnUpload(
  db: Database,
  { id, tenant }: { id: string; tenant: string },
): Promise<Upload | undefined> {
  const { rows } = await db.query<Upload>({
    name: 'find_own_upload',
    text: `SELECT ${columns} FROM uploads WHERE id = $1 AND tenant = $2 AND expires_at > now()`,
    values: [id, tenant],
  });
  return rows[0];
}
