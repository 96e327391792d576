import {
  admitsOf,
  type Breaker,
  type BreakerEvidence,
  type BreakerSettings,
  closedBreaker,
  type Counts,
  isShareOver,
  judgeBreaker,
  readBreaker,
} from './breaker.ts';
import type { AttemptFailureCode } from './failure.ts';
import { limits } from './limits/limits.ts';

/**
 * How a target fares, as all workers know it: JSON in its row. Two breakers, for a vendor may accept everything and finish
 * nothing. Either of them, open, sends new grants elsewhere.
 */
export interface TargetHealth {
  /** Judged by acceptance: what became of our POSTs. */
  readonly submit: Breaker;
  /** Judged by completion: whether what was accepted becomes a video, and in the time that it usually takes. */
  readonly outcome: Breaker;
}

export type BreakerName = keyof TargetHealth;
export const breakerNames: readonly BreakerName[] = ['submit', 'outcome'];

/** What was seen of a target, once a second. */
export interface TargetEvidence {
  /** Milliseconds of the database's clock. */
  readonly now: number;
  readonly submit: SubmitEvidence;
  readonly outcome: OutcomeEvidence;
}

/** `late`: POSTs without an answer for longer than `limits.submitSlowMs`. */
export interface SubmitEvidence extends Omit<BreakerEvidence, 'isCertain'> {
  /** When the account was last refused, for its key or its credit. Null: not lately. */
  readonly accountRefusedAt: number | null;
  readonly acceptedAt: number | null;
}

/** `late`: attempts under way for far longer than the target takes (`overdueAfterMs` of durations.ts). */
export interface OutcomeEvidence extends Omit<BreakerEvidence, 'isCertain'> {
  /** Of what was accepted in the last moments: what has failed already, and what is still under way or made. */
  readonly young: Counts;
  /** Milliseconds in which nearly all of its videos are made: p95. */
  readonly usualMs: number;
  /** Ends of any kind within `limits.breakerRecentMs`. */
  readonly ended: number;
  /**
   * How many of the attempts under way should have ended within `limits.breakerRecentMs`, had the target gone on as usual
   * (`endsExpected` of durations.ts).
   */
  readonly expected: number;
}

/**
 * Judges both breakers. The same object when nothing has changed. Three causes open one before the shares do:
 *
 * - Refused for its key or its credit, the account is left at once: no number of further tries makes it good.
 * - What was accepted last fails at once, while the videos of before still come and would count for the target.
 * - Silence: ten ends were to be expected and none came. By chance that happens with e^-10, and it shows a target that
 *   hangs long before any attempt is overdue.
 */
export function judgeTarget(health: TargetHealth, { now, submit, outcome }: TargetEvidence): TargetHealth {
  const isLockedOut = submit.accountRefusedAt !== null && submit.accountRefusedAt > (submit.acceptedAt ?? 0);
  const isSilent = outcome.ended === 0 && outcome.expected >= limits.silentEndsMin;
  const isFailingAtOnce = isShareOver(outcome.young, limits.breakerBadMin);
  // A POST is answered in seconds, so one that was not belongs to the last moments as much as those that were.
  const recent = { ...submit.recent, bad: submit.recent.bad + submit.late };
  const judged = {
    submit: judgeBreaker(health.submit, {
      ...submitSettings,
      now,
      evidence: { ...submit, recent, isCertain: isLockedOut },
    }),
    outcome: judgeBreaker(health.outcome, {
      ...outcomeSettings(outcome),
      now,
      evidence: { ...outcome, isCertain: isSilent || isFailingAtOnce },
    }),
  };
  const isSame = judged.submit === health.submit && judged.outcome === health.outcome;
  return isSame ? health : judged;
}

/** A probe that was accepted keeps its place while it is made, so each step has to be earned by those under way. */
const submitSettings: BreakerSettings = { pauseMsMax: limits.submitPauseMsMax, proofs: [1, 2, 4] };
/** One, then two, then four have to be made. What a probe costs is the time that it takes, and the pauses go by that. */
function outcomeSettings({ usualMs }: OutcomeEvidence): BreakerSettings {
  const pauseMsMax = Math.min(Math.max(5 * usualMs, limits.submitPauseMsMax), limits.outcomePauseMsMax);
  return { pauseMsMax, proofs: [1, 3, 7] };
}

/** How many attempts may be in flight there, of those granted since `probingSince`. Null: any number; 0: none. */
export function admits({ submit, outcome }: TargetHealth): number | null {
  const bounds = [submit, outcome].map(admitsOf).filter((bound) => bound !== null);
  return bounds.length === 0 ? null : Math.min(...bounds);
}

/**
 * From when on a permit counts as a probe, in milliseconds; null: nobody is probed. Those from before may never end, and
 * counted as probes they would keep every probe away.
 */
export function probingSince({ submit, outcome }: TargetHealth): number | null {
  const moments = [submit, outcome].filter(({ state }) => state === 'half_open').map(({ since }) => since);
  return moments.length === 0 ? null : Math.max(...moments);
}

/** One word on a target, for people. */
export type HealthWord = 'healthy' | 'recovering' | 'failing';

export function healthWord({ submit, outcome }: TargetHealth): HealthWord {
  const states = [submit.state, outcome.state];
  if (states.includes('open')) return 'failing';
  return states.includes('half_open') ? 'recovering' : 'healthy';
}

export const healthy: TargetHealth = { submit: closedBreaker, outcome: closedBreaker };

/** Reads what was stored; what is missing or cannot be read counts as healthy. */
export function readHealth(json: unknown): TargetHealth {
  if (typeof json !== 'object' || json === null) return healthy;
  const { submit, outcome }: Partial<Record<BreakerName, unknown>> = json;
  return { submit: readBreaker(submit), outcome: readBreaker(outcome) };
}

/** How a POST can fail for which its target answers. A limit that was kept to, and a fault of the request, are neutral. */
export const submitFaults: readonly AttemptFailureCode[] = [
  'unreachable',
  'ambiguous_submit',
  'provider_failed',
  'auth',
  'no_credit',
];

/** Of these, the ones that concern the whole account. */
export const accountFaults: readonly AttemptFailureCode[] = ['auth', 'no_credit'];

/** The vendor's codes of an `invalid_input` that is none: the route to the model is missing, whatever the request. */
export const missingRouteCodes: readonly string[] = ['http_404', 'http_405', 'http_410', 'model_malformed'];

/** How an accepted attempt can fail for which its target answers. */
export const outcomeFaults: readonly AttemptFailureCode[] = [
  'provider_failed',
  'timed_out',
  'output_expired',
  'unreachable',
  'auth',
  'no_credit',
];
