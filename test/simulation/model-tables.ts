import type { AccountLimits, Throttle } from '../../src/domain/limits/account-limits.ts';
import type { Failure } from '../../src/domain/failure.ts';
import type { JobPhase } from '../../src/domain/job.ts';
import type { Route } from '../../src/domain/route.ts';
import type { TicketStory } from '../../src/domain/story.ts';
import type { LineTicket } from '../../src/simulation/flow-rows.ts';
import { Line } from '../../src/simulation/line.ts';
import type { LeasedMail, Records } from './records.ts';

/** What the tables of Postgres hold, in memory. */
export interface Tables {
  /** By the database's clock, in milliseconds. */
  readonly now: () => number;
  readonly jobs: Map<string, JobRow>;
  /** By job: at most one waits. */
  readonly tickets: Map<string, TicketRow>;
  readonly ticketsById: Map<string, TicketRow>;
  /** Tickets that stand in no line: told to come back later, or second attempts. */
  readonly aside: Set<TicketRow>;
  /** By `attemptKey`. */
  readonly permits: Map<string, PermitRow>;
  readonly attempts: Map<string, AttemptRow>;
  readonly assets: Map<string, AssetRow>;
  /** By job, kind and attempt. */
  readonly mailbox: Map<string, MailRow>;
  readonly inbox: Set<string>;
  readonly pools: Map<string, PoolRow>;
  readonly counters: { ticket: number; grant: number; mail: number };
  readonly mutations: Mutations;
  /** Told of every grant pass that grants, before it is carried out. */
  readonly onPass: (pass: PassSeen) => void;
  readonly onViolation: (violation: string) => void;
  /** Several came into line by one statement: which of them is the older, Postgres may choose. */
  readonly onTie: () => void;
}

export interface PassSeen {
  readonly pool: PoolRow;
  readonly granted: readonly TicketRow[];
  /** Everybody in line, before the grants. */
  readonly waiting: readonly TicketRow[];
}

/** Faults of our own that a run may have built in, to show that it would be noticed. */
export interface Mutations {
  /** A job that we gave up on counts as gone. */
  readonly ignoresZombies?: boolean;
  /** A killed submit leaves no trace. */
  readonly forgetsLedger?: boolean;
  readonly ignoresRate?: boolean;
  /** The most urgent class is always served first. */
  readonly starves?: boolean;
  /** The end of an attempt leaves its permit. */
  readonly keepsPermits?: boolean;
  /** A flow is taken for empty when it has been served. */
  readonly strands?: boolean;
  /** A job's end leaves its ticket in line. */
  readonly keepsTickets?: boolean;
  /** Second attempts beside live ones cost nothing. */
  readonly ignoresOverlapBudget?: boolean;
  /** Starts are delivered as soon as they are granted. */
  readonly startsEarly?: boolean;
  /** A job may end twice. */
  readonly settlesTwice?: boolean;
}

export interface JobRow {
  readonly id: string;
  readonly tenant: string;
  readonly caller: string;
  readonly class: number;
  readonly route: Route;
  readonly acceptedAt: number;
  readonly queueDeadline: number;
  phase: JobPhase;
  dispatchedAt: number | null;
  runDeadline: number | null;
  cancelRequestedAt: number | null;
  finishedAt: number | null;
  failure: Failure | null;
  servedAttempt: number | null;
  checkedAt: number | null;
  lastEventAt: number;
  readonly events: string[];
}

export interface TicketRow extends LineTicket {
  readonly job: JobRow;
  readonly attempt: number;
  readonly pool: string;
  /** Into the route. */
  readonly index: number;
  kind: TicketStory['kind'];
  readonly notBefore: number;
  parked: boolean;
  readonly queueDeadline: number;
  readonly leftTarget: string | null;
}

export interface PermitRow {
  readonly grant: string;
  readonly job: JobRow;
  readonly attempt: number;
  readonly pool: string;
  readonly index: number;
  readonly target: string;
  readonly grantedAt: number;
  readonly startAt: number;
  submitting: boolean;
  zombieSince: number | null;
  checkedAt: number | null;
}

export interface AttemptRow {
  readonly job: JobRow;
  readonly attempt: number;
  readonly pool: string;
  readonly index: number;
  readonly target: string;
  readonly token: string;
  readonly submittedAt: number;
  state: 'submitting' | 'accepted' | 'refused' | 'unknown';
  operation: string | null;
  answeredAt: number | null;
  endedAt: number | null;
  evidence: string | null;
  outcome: 'finished' | 'failed' | 'lost' | null;
  failure: Failure | null;
  isPossibleDuplicate: boolean;
}

export interface AssetRow {
  isStored: boolean;
  isFailed: boolean;
}

export interface MailRow extends Pick<LeasedMail, 'id' | 'job' | 'kind' | 'attempt' | 'payload'> {
  readonly notBefore: number;
  leasedUntil: number;
}

export interface PoolRow {
  readonly id: string;
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  nextStartAt: number;
  overlapTokens: number;
  overlapAt: number;
  /** As `learned` of the pool's row: what was kept of it. */
  learned: AccountLimits | null;
  throttles: Throttle[];
  readonly line: Line;
  readonly targets: Map<string, TargetRow>;
}

export interface TargetRow {
  readonly name: string;
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  nextStartAt: number;
  admits: number | null;
  probingSince: number;
}

export interface PoolLimits {
  readonly id: string;
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly targets: readonly Pick<TargetRow, 'name' | 'outstandingMax' | 'perMinuteMax'>[];
}

export function openPool({ id, outstandingMax, perMinuteMax, targets }: PoolLimits, now: number): PoolRow {
  const rows = targets.map((target): [string, TargetRow] => [
    target.name,
    { ...target, nextStartAt: 0, admits: null, probingSince: 0 },
  ]);
  const rest = { nextStartAt: 0, overlapTokens: 1, overlapAt: now, learned: null, throttles: [] };
  return { id, outstandingMax, perMinuteMax, ...rest, line: new Line(), targets: new Map(rows) };
}

export function attemptKey(job: string, attempt: number): string {
  return `${job}.${attempt}`;
}

/** Postgres keeps moments in whole microseconds. */
export function micros(moment: number): number {
  return Math.round(moment * 1_000) / 1_000;
}

export function tell({ now }: Pick<Tables, 'now'>, job: JobRow, kind: string): void {
  job.events.push(kind);
  job.lastEventAt = now();
}

/** The port without promises: a model answers at once. */
export type Functions = { [Name in keyof Records]: Synchronous<Records[Name]> };
export type Part<Name extends keyof Records> = Pick<Functions, Name>;
type Synchronous<Method> = Method extends (...given: infer Given) => infer Answer
  ? (...given: Given) => Awaited<Answer>
  : never;
