import type { Database } from '../../db/pool.ts';
import { insertUploads, type NewUpload } from '../../db/jobs/uploads.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type Batcher, createBatcher } from '../accept/accept-batcher.ts';
import { acceptPace } from '../accept/accept-pace.ts';
import { problemOfBatch } from '../accept/batch-problem.ts';
import { within } from '../database-wait.ts';

/** Notes where pictures are about to lie, in batches: a burst of selfies begins with a burst of these. */
export interface UploadKeeper extends Pick<Batcher<NewUpload, 'kept'>, 'drain'> {
  /** Resolves once the note is committed, and throws the problem to answer with where it may not be. */
  keep(upload: NewUpload, waitMs?: number): Promise<void>;
}

export function createUploadKeeper(pool: Database): UploadKeeper {
  const batcher = createBatcher<NewUpload, 'kept'>({
    async write(uploads) {
      await within(insertUploads(pool, uploads), limits.acceptTryMsMax);
      return uploads.map(() => 'kept');
    },
    ...acceptPace,
  });
  return {
    drain: () => batcher.drain(),
    async keep(upload, waitMs) {
      try {
        await batcher.submit(upload, waitMs);
      } catch (error) {
        throw problemOfBatch(error);
      }
    },
  };
}
