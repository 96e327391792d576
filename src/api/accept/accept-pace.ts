import { limits } from '../../domain/limits/limits.ts';
import { isFaultOfRow } from '../database-wait.ts';

/** The pace of every batch that a flood of requests writes: of jobs, of what precedes them, and of pictures. */
export const acceptPace = {
  isFaultOfItem: isFaultOfRow,
  batchMax: limits.acceptBatchJobsMax,
  backlogMax: limits.acceptBacklogJobsMax,
  flightsMax: limits.acceptFlightsMax,
  everyMs: limits.acceptEveryMs,
  triesMax: limits.acceptTriesMax,
  waitMsMax: limits.databaseWaitMsMax,
} as const;
