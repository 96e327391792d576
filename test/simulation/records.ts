import type { AttemptAnswer, AttemptEnd, BeginAnswer, BeginOrder } from '../../src/db/ledger/attempts.ts';
import type { Adoption, UnknownDecision } from '../../src/db/ledger/unknown-attempts.ts';
import type { KnownRun } from '../../src/db/ledger/known-attempts.ts';
import type { Failure } from '../../src/domain/failure.ts';
import type { JobPhase } from '../../src/domain/job.ts';
import type { Verdict } from '../../src/domain/next-step.ts';
import type { Route } from '../../src/domain/route.ts';
import type { QueueAnswer, TicketStory } from '../../src/domain/story.ts';

/**
 * What Postgres keeps and does in a simulated run, by the names of the functions in src/db. Two things are it: a model in
 * memory, and the real functions on a real Postgres whose clock is the run's. Neither knows which events are to come.
 */
export interface Records {
  accept(job: AcceptedJob): Awaitable<void>;
  requestCancel(job: string): Awaitable<string | null>;
  grant(settings: { readonly submittingMax: number; readonly startSlots: number }): Awaitable<number>;

  leaseMail(count: number): Awaitable<readonly LeasedMail[]>;
  deleteMail(ids: readonly string[]): Awaitable<void>;
  postponeMail(ids: readonly string[], delayMs: number): Awaitable<void>;
  findKnownRun(job: string): Awaitable<KnownRun | undefined>;

  beginAttempt(order: BeginOrder): Awaitable<BeginAnswer>;
  answerAttempt(answer: AttemptAnswer): Awaitable<void>;
  endAttempt(end: AttemptEnd): Awaitable<boolean>;
  findAttempt(job: string, attempt: number): Awaitable<LedgerEntry | undefined>;
  adoptFromList(adoption: Adoption): Awaitable<boolean>;
  decideUnknown(decision: UnknownDecision): Awaitable<boolean>;
  receiveCallback(callback: ReceivedCallback): Awaitable<string>;
  requestCheck(callback: Pick<ReceivedCallback, 'jobId' | 'attempt' | 'token'>): Awaitable<void>;

  beginAsset(job: string, attempt: number): Awaitable<AssetVerdict>;
  keepAsset(job: string, attempt: number): Awaitable<'kept' | 'job_final'>;
  failAsset(job: string, attempt: number): Awaitable<AssetVerdict>;
  queueAttempt(request: QueueRequest): Awaitable<QueueAnswer>;
  settleJob(job: string, verdict: Verdict): Awaitable<StandingVerdict>;

  endOverdueJobs(): Awaitable<number>;
  endOverrunJobs(graceMs: number): Awaitable<number>;
  showStuckJobs(stuckAfterMs: number): Awaitable<number>;
  releaseLeakedPermits(): Awaitable<number>;
  leaseSilentJobs(silentMs: number): Awaitable<readonly string[]>;
  restartWorkflow(job: string): Awaitable<void>;
  leaseZombies(everyMs: number): Awaitable<readonly Zombie[]>;

  /** Whether anything is left to do: nobody waits, nothing is held, all mail is delivered. */
  isQuiet(): Awaitable<boolean>;
  outcomes(): Awaitable<readonly JobOutcome[]>;
}

export type Awaitable<Value> = Value | Promise<Value>;

export interface AcceptedJob {
  readonly id: string;
  readonly tenant: string;
  readonly caller: string;
  /** The index in `priorities`. */
  readonly class: number;
  readonly route: Route;
  readonly queueTtlSeconds: number;
}

export interface LeasedMail {
  readonly id: string;
  readonly job: string;
  readonly kind: 'start' | 'permit' | 'callback' | 'cancel' | 'repair';
  readonly attempt: number;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly phase: JobPhase;
  readonly route: Route;
  readonly waitMs: number;
}

export interface LedgerEntry {
  readonly operation: string | null;
  readonly submittedAt: number;
  readonly outcome: 'finished' | 'failed' | 'lost' | null;
  readonly failure: Failure | null;
}

export interface ReceivedCallback {
  readonly jobId: string;
  readonly attempt: number;
  readonly token: string;
  /** What tells one body from another. */
  readonly digest: string;
  readonly operation: string;
  /** Absent: not an end. */
  readonly outcome?: 'finished' | 'failed';
  readonly failure?: Failure;
}

export type AssetVerdict = 'go' | 'kept' | 'job_final' | 'failed';

export interface QueueRequest {
  readonly jobId: string;
  readonly ticket: TicketStory;
  readonly waitMs: number;
}

export interface StandingVerdict {
  readonly phase: JobPhase;
}

export interface Zombie {
  readonly job: string;
  readonly attempt: number;
  readonly operation: string | null;
  readonly isExpired: boolean;
}

/** What has become of a job, for comparing and for judging. */
export interface JobOutcome {
  readonly id: string;
  readonly phase: JobPhase;
  readonly failure: string | null;
  readonly servedAttempt: number | null;
  /** Milliseconds of the database's clock. */
  readonly finishedAt: number | null;
  readonly runDeadline: number | null;
  readonly queueDeadline: number;
  /** Kinds, by their sequence numbers from 1. */
  readonly events: readonly string[];
  readonly attempts: readonly AttemptOutcome[];
}

export interface AttemptOutcome {
  readonly attempt: number;
  readonly target: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly evidence: string | null;
  readonly isPossibleDuplicate: boolean;
}
