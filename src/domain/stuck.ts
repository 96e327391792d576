import type { FailureCode } from './failure.ts';

/** Why a job does not get on: a closed set, the same in Temporal UI, timeline, metrics, CLI and runbook. */
export const stuckCauses = [
  'workflow_task_failing',
  'submit_unknown',
  'storing_asset',
  'no_credit',
  'provider_refusing',
  'polling_provider_slow',
  'waiting_callback_overdue',
  'waiting_capacity',
  'webhook_failing',
] as const;

export type StuckCause = (typeof stuckCauses)[number];

export function isStuckCause(text: string | undefined): text is StuckCause {
  return stuckCauses.some((cause) => cause === text);
}

/** What is known of a job at one moment, by its workflow or by Postgres. Moments in milliseconds since the epoch. */
export interface JobSnapshot {
  /** It stands in line. */
  readonly waiting: WaitingSnapshot | null;
  /** Those that have not ended, and those whose video is still to be kept. */
  readonly attempts: readonly AttemptSnapshot[];
  /** A webhook of it fails and is tried again. */
  readonly webhook: { readonly since: number; readonly tries: number; readonly nextTryAt: number | null } | null;
  /** Since when Temporal has reported problems with its workflow's tasks (`TemporalReportedProblems`). */
  readonly taskFailingSince: number | null;
}

export interface WaitingSnapshot {
  readonly since: number;
  readonly target: string;
  /** What the provider said to the last attempt, or to the others in line; null: nothing, it is only full. */
  readonly refusal: FailureCode | null;
}

export interface AttemptSnapshot {
  readonly attempt: number;
  readonly target: string;
  readonly provider: string;
  /** `live`: the provider has it. `unknown`: the answer to its POST was lost. `keeping`: its video is being copied. */
  readonly state: 'live' | 'unknown' | 'keeping';
  /** Since it is so. */
  readonly since: number;
  /** When the first poll is due: its callback is late from then on. */
  readonly checkAt: number;
  /** When patience with it ends. */
  readonly patienceEndsAt: number;
  readonly callbacks: boolean;
}

/** One cause, since when it holds, and which attempt it is about. */
export interface Stuck {
  readonly cause: StuckCause;
  readonly since: number;
  readonly attempt?: number;
}

export interface StuckSettings {
  /** `STUCK_AFTER_SECONDS`. */
  readonly stuckAfterMs: number;
}

/** Why the job is stuck now: of several causes the first of `stuckCauses`. Undefined: it is not. */
export function stuckOf(snapshot: JobSnapshot, settings: StuckSettings, now: number): Stuck | undefined {
  const [first] = candidatesOf(snapshot, settings)
    .filter(({ at }) => at <= now)
    .toSorted((one, other) => stuckCauses.indexOf(one.cause) - stuckCauses.indexOf(other.cause));
  if (first === undefined) return undefined;
  const { cause, since, attempt } = first;
  return { cause, since, ...(attempt !== undefined && { attempt }) };
}

/** The next moment at which time alone makes a cause of it. Null: there is none. */
export function stuckNextAt(snapshot: JobSnapshot, settings: StuckSettings, now: number): number | null {
  const moments = candidatesOf(snapshot, settings)
    .map(({ at }) => at)
    .filter((at) => at > now && Number.isFinite(at));
  return moments.length === 0 ? null : Math.min(...moments);
}

interface Candidate extends Stuck {
  /** From then on it counts. */
  readonly at: number;
}

/** What needs a person, and not more time, is told sooner than a long wait. */
export function soonMs(stuckAfterMs: number): number {
  return Math.min(stuckAfterMs, 60_000);
}

const refusing: readonly FailureCode[] = ['auth', 'rate_limited', 'unreachable', 'provider_failed'];

/** What a provider may say to an attempt, or to the others in its line, that makes a wait more than a wait for room. */
export const refusals: readonly FailureCode[] = ['no_credit', ...refusing];

function candidatesOf(snapshot: JobSnapshot, { stuckAfterMs }: StuckSettings): readonly Candidate[] {
  const { waiting, attempts, webhook, taskFailingSince } = snapshot;
  const soon = soonMs(stuckAfterMs);
  return [
    ...(taskFailingSince === null
      ? []
      : [{ cause: 'workflow_task_failing', since: taskFailingSince, at: taskFailingSince } as const]),
    ...attempts.flatMap((attempt) => candidatesOfAttempt(attempt, soon)),
    // Whoever has a live attempt does not wait for the second one.
    ...(waiting === null || attempts.length > 0 ? [] : [candidateOfWait(waiting, { stuckAfterMs, soonMs: soon })]),
    ...(webhook === null
      ? []
      : [{ cause: 'webhook_failing', since: webhook.since, at: webhook.since + soon } as const]),
  ];
}

function candidatesOfAttempt(snapshot: AttemptSnapshot, soonMs: number): readonly Candidate[] {
  const { attempt, state, since, checkAt, patienceEndsAt, callbacks } = snapshot;
  if (state === 'unknown') return [{ cause: 'submit_unknown', attempt, since, at: since + soonMs }];
  if (state === 'keeping') return [{ cause: 'storing_asset', attempt, since, at: since + soonMs }];
  const slowFrom = Math.max(patienceEndsAt, checkAt);
  return [
    { cause: 'polling_provider_slow', attempt, since: slowFrom, at: slowFrom + soonMs },
    ...(callbacks
      ? [{ cause: 'waiting_callback_overdue', attempt, since: checkAt, at: checkAt + soonMs } as const]
      : []),
  ];
}

function candidateOfWait(
  { since, refusal }: WaitingSnapshot,
  { stuckAfterMs, soonMs }: { readonly stuckAfterMs: number; readonly soonMs: number },
): Candidate {
  if (refusal === 'no_credit') return { cause: 'no_credit', since, at: since + soonMs };
  if (refusal !== null && refusing.includes(refusal)) return { cause: 'provider_refusing', since, at: since + soonMs };
  return { cause: 'waiting_capacity', since, at: since + stuckAfterMs };
}
