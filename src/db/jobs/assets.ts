import type { Failure } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export interface AttemptPlace {
  readonly jobId: JobId;
  readonly attempt: number;
}

/** A finished video as its copy needs it. */
export interface VideoToStore {
  readonly tenant: string;
  readonly provider: string;
  readonly operation: string | null;
  /** The vendor's model id. */
  readonly model: string | null;
  readonly url: string | null;
}

/** Undefined: the ledger knows of no such video. */
export async function findVideoToStore(
  db: Database,
  { jobId, attempt }: AttemptPlace,
): Promise<VideoToStore | undefined> {
  const { rows } = await db.query<VideoToStore>({
    name: 'find_video_to_store',
    text: `SELECT a.tenant, a.provider, a.operation, a.video_url AS url, j.route -> a.target::int ->> 'vendorModel' AS model
           FROM attempts a JOIN jobs j ON j.id = a.job
           WHERE a.job = $1 AND a.attempt = $2 AND a.outcome = 'finished'`,
    values: [jobId, attempt],
  });
  return rows[0];
}

/** What the database says of a copy: `kept` and `failed` stand, whoever found them. */
export type AssetVerdict =
  | { readonly verdict: 'kept' | 'job_final' }
  | { readonly verdict: 'failed'; readonly failure: Failure };

/** Notes that bytes may lie under `key` from now on. `go`: there is no copy yet, and somebody waits for one. */
export async function beginAsset(
  db: Database,
  { jobId, attempt, key }: AttemptPlace & { readonly key: string },
): Promise<AssetVerdict | { readonly verdict: 'go' }> {
  const { rows } = await db.query<AssetVerdict | { verdict: 'go' }>({
    name: 'begin_asset',
    text: 'SELECT verdict, failure FROM begin_asset($1, $2, $3)',
    values: [jobId, attempt, key],
  });
  return only(rows, 'begin_asset');
}

export interface StoredAsset extends AttemptPlace {
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** Notes that the copy is whole. `job_final`: nobody waits for it any more, and its bytes are the caller's to remove. */
export async function keepAsset(db: Database, asset: StoredAsset): Promise<'kept' | 'job_final'> {
  const { rows } = await db.query<{ verdict: 'kept' | 'job_final' }>({
    name: 'keep_asset',
    text: 'SELECT keep_asset($1, $2, $3, $4, $5, $6) AS verdict',
    values: [asset.jobId, asset.attempt, asset.key, asset.contentType, asset.bytes, Buffer.from(asset.sha256)],
  });
  return only(rows, 'keep_asset').verdict;
}

/** Notes that there never will be a copy. */
export async function failAsset(
  db: Database,
  { jobId, attempt, failure }: AttemptPlace & { readonly failure: Failure },
): Promise<AssetVerdict> {
  const { rows } = await db.query<AssetVerdict>({
    name: 'fail_asset',
    text: 'SELECT verdict, failure FROM fail_asset($1, $2, $3)',
    values: [jobId, attempt, failure],
  });
  return only(rows, 'fail_asset');
}

/** The vendor serves the video under another URL now. */
export async function moveVideo(
  db: Database,
  { jobId, attempt, url }: AttemptPlace & { readonly url: string },
): Promise<void> {
  await db.query({
    name: 'move_video',
    text: 'UPDATE attempts SET video_url = $3 WHERE job = $1 AND attempt = $2',
    values: [jobId, attempt, url],
  });
}
