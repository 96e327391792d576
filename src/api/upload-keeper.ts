import type { Database } from '../db/pool.ts';
import { insertUploads, type NewUpload } from '../db/uploads.ts';
import { limits } from '../domain/limits.ts';
import { type Batcher, createBatcher } from './accept-batcher.ts';
import { isFaultOfRow, within } from './database-wait.ts';

export type UploadKeeper = Batcher<NewUpload, 'kept'>;

/** Notes promised uploads in batches: a burst of selfies begins with a burst of these. */
export function createUploadKeeper(pool: Database): UploadKeeper {
  return createBatcher<NewUpload, 'kept'>({
    async write(uploads) {
      await within(insertUploads(pool, uploads), limits.acceptTryMsMax);
      return uploads.map(() => 'kept');
    },
    isFaultOfItem: isFaultOfRow,
    batchMax: limits.acceptBatchJobsMax,
    backlogMax: limits.acceptBacklogJobsMax,
    flightsMax: limits.acceptFlightsMax,
    triesMax: limits.acceptTriesMax,
    waitMsMax: limits.databaseWaitMsMax,
  });
}
