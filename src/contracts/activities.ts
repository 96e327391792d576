import type { JobId } from '../domain/job.ts';
import type { Verdict } from '../domain/next-step.ts';
import type { AttemptReport, QueueAnswer, StoreAnswer, SubmitAnswer, TicketStory } from '../domain/story.ts';
import type { GenerateVideoResult } from './generate-video.ts';

/** Everything that `generateVideo` may ask of the world. Activities read the request from Postgres themselves. */
export interface Activities {
  /**
   * Writes the ledger row, POSTs at most once, records the answer. Safe to retry: whoever finds the row written never
   * POSTs again. Fails only with a retryable failure, before the row is written.
   */
  submitAttempt(order: SubmitOrder): Promise<SubmitAnswer>;
  /** Polls until the provider is done, by retries of its own that add no history. Returns at once on `queued`. */
  watchAttempt(order: WatchOrder): Promise<AttemptReport>;
  /**
   * Copies a finished video to where it is ours, whole or not at all. Safe to retry, and to run twice: it begins anew, or
   * finds that the copy is there. Fails only with a retryable failure; what no retry mends is an answer.
   */
  storeAsset(order: StoreOrder): Promise<StoreAnswer>;
  /** Asks for a place in the queue for a further attempt. */
  queueAttempt(order: QueueOrder): Promise<QueueAnswer>;
  /** Proposes a verdict and returns the one that stands. */
  settleJob(order: SettleOrder): Promise<GenerateVideoResult>;
  /** Stops a job at a provider that can, once our own is settled. */
  stopAttempt(order: StopOrder): Promise<void>;
}

export interface SubmitOrder {
  readonly jobId: JobId;
  readonly attempt: number;
  /** Index into the job's route. */
  readonly target: number;
  readonly grant: string;
}

export interface WatchOrder {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly target: number;
}

export interface StoreOrder {
  readonly jobId: JobId;
  readonly attempt: number;
}

export interface QueueOrder {
  readonly jobId: JobId;
  readonly ticket: TicketStory;
  readonly waitMs: number;
}

export interface SettleOrder {
  readonly jobId: JobId;
  readonly verdict: Verdict;
}

export interface StopOrder {
  readonly jobId: JobId;
  readonly attempt: number;
}
