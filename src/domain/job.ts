/** `video_<uuidv7>`: the id of a job everywhere, in the API, in Postgres and as the workflow's id. */
export type JobId = string;

const jobIdPattern = /^video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Whether a text from outside has the form of a job's id. It says nothing of whether the job exists. */
export function isJobId(text: string): text is JobId {
  return jobIdPattern.test(text);
}

/** A job as its owner names it. */
export interface OwnedJob {
  readonly id: JobId;
  readonly tenant: string;
}

/** The phases of a job, in the words of the API. The last three are final and never change. */
export type JobPhase = 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';

export type FinalPhase = Extract<JobPhase, 'completed' | 'failed' | 'cancelled'>;

/** Whether a phase is an end. */
export function isFinal(phase: JobPhase): phase is FinalPhase {
  return phase === 'completed' || phase === 'failed' || phase === 'cancelled';
}

/** Priority classes as callers name them, most urgent first. The database keeps the index. */
export const priorities = ['high', 'normal', 'low'] as const;

export type Priority = (typeof priorities)[number];
