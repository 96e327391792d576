import type { JobId } from '../domain/job.ts';
import type { Verdict } from '../domain/next-step.ts';
import type {
  AttemptReport,
  MoveAnswer,
  QueueAnswer,
  StoreAnswer,
  SubmitAnswer,
  TicketStory,
} from '../domain/story.ts';
import type { GenerateVideoResult } from './generate-video.ts';
import type { RepairName } from './repairs.ts';

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
  /** Sends the ticket that waits to another target of the route. Safe to retry. */
  moveTicket(order: MoveOrder): Promise<MoveAnswer>;
  /** Writes down what an operator does to the job, once, and gives it the time that it is to have. Safe to retry. */
  noteRepair(order: NoteOrder): Promise<NoteAnswer>;
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

export interface MoveOrder {
  readonly jobId: JobId;
  /** As it is to be. */
  readonly ticket: TicketStory;
}

export interface NoteOrder {
  readonly jobId: JobId;
  /** Of the update, and of the run that it came to: after a reset the same update comes to another run. */
  readonly request: string;
  readonly run: string;
  readonly repair: RepairName;
  readonly by: string;
  readonly reason: string;
  /** Index into the route. */
  readonly target?: number;
  readonly seconds?: number;
  readonly force?: boolean;
  /** With `force`: attempts whose copy is given up. */
  readonly copies?: readonly number[];
}

export interface NoteAnswer {
  /**
   * `repeated`: an earlier run has done it. `job_final`: nothing is left to repair. Of a forced one, of which nothing is written
   * then: `kept`: a video is ours already. `exhausted`, `too_dear`: there can't be another attempt, so none is given up.
   * `no_budget`: the budgets have no room for another video now, so the copy of this one is not given up.
   */
  readonly verdict: 'noted' | 'repeated' | 'kept' | 'exhausted' | 'too_dear' | 'no_budget' | 'job_final';
  /** By how many milliseconds the run deadline has moved. */
  readonly byMs: number;
  /** By when the job has to be begun, or to end. */
  readonly endsAt: number | null;
}

export interface SettleOrder {
  readonly jobId: JobId;
  readonly verdict: Verdict;
}

export interface StopOrder {
  readonly jobId: JobId;
  readonly attempt: number;
}
