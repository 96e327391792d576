import type { DurationSketch } from '../domain/durations.ts';
import type { RouteTarget } from '../domain/route.ts';
import type { Arrival } from './arrivals.ts';

/** A backlog, and the account that it is put to. */
export interface TierPlan {
  readonly arrivals: readonly Arrival[];
  readonly target: RouteTarget;
  readonly durations: DurationSketch;
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly submittingMax: number;
  /** The share of both limits that the account really bears. */
  readonly realShare: number;
  readonly queueTtlSeconds: number;
  readonly seed: number;
}

export interface TierOutcome {
  /** Milliseconds from accept to the first grant, of those that were served, ascending. */
  readonly waitsMs: readonly number[];
  readonly served: number;
  /** Ended by their queue deadline, or refused too often. */
  readonly failed: number;
  readonly submits: number;
  readonly refusals: number;
  /** From the first arrival to the last end. */
  readonly drainMs: number;
  /** See `UseOfAccount.share`. */
  readonly utilisation: number | null;
}
