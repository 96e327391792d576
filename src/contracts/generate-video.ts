import type { Failure, FailureCode } from '../domain/failure.ts';
import type { FinalPhase, JobId } from '../domain/job.ts';
import type { AttemptReport, Opening, Story } from '../domain/story.ts';

/** Workflow tasks, submits and bookkeeping. */
export const taskQueue = 'spillway';

/** Polls have a queue and slots of their own: a slow vendor's polls must not hold back a submit. */
export const checkTaskQueue = 'spillway-checks';

/** Copies of videos, and their removal: long streams, of which a worker makes few at once. */
export const assetTaskQueue = 'spillway-assets';

export const generateVideoType = 'generateVideo';

/** Ids, the route and permits: nothing personal ever enters a history. The workflow's id is the job's. */
export interface GenerateVideoInput extends Opening {
  readonly jobId: JobId;
  /** The first permit. A job that is shown because it waits too long starts without one. */
  readonly permit?: PermitMail;
  /** How long a job may wait before it counts as stuck. Absent, as in histories of before: nothing ever does. */
  readonly stuckAfterMs?: number;
}

/** What a run returns: the verdict that stands in Postgres, whoever reached it. */
export interface GenerateVideoResult {
  readonly phase: FinalPhase;
  readonly attempt?: number;
  readonly failure?: Failure;
}

export const permitSignalName = 'permit';
export const callbackSignalName = 'callback';
export const hintSignalName = 'hint';
export const cancelSignalName = 'cancel';
export const timelineQueryName = 'timeline';

/** A granted ticket: attempt `attempt` may be sent to `route[target]`, once, under this grant. */
export interface PermitMail {
  readonly attempt: number;
  readonly target: number;
  readonly grant: string;
}

/** A provider's final word on an attempt, as its verified callback had it. */
export type CallbackMail = { readonly attempt: number } & Exclude<AttemptReport, { outcome: 'queued' }>;

/** Somebody claims to know of an attempt and can't prove it: ask the provider. */
export interface HintMail {
  readonly attempt: number;
  /** Of the line that the job waits in, with attempt 0: what the provider says to it now. Null: it is only full. */
  readonly refusal?: FailureCode | null;
  /** With `refusal`: the ticket of the attempt was sent on, and waits there now. Index into the route. */
  readonly target?: number;
}

/** The answer of the `timeline` query, which the job's tenant sees. An operator's wish is under an id that says who it was. */
export type Timeline = Omit<Story, 'wish'>;
