import { limits } from './limits/limits.ts';

/**
 * A circuit breaker (Nygard, Release It!, 2007) as a small value that is kept in Postgres and judged once a second by one
 * process for all. It opens by the share of failures in a sliding window with a least volume, as in Resilience4j, and its
 * pauses double with every reopening, as Envoy's ejections grow. Half-open is probed with real jobs only: one at a time,
 * then two, then four. Times are milliseconds of the database's clock.
 */
export interface Breaker {
  readonly state: BreakerState;
  /** When this state began. */
  readonly since: number;
  /** What was submitted before then speaks for the target when it ends well, and never against it: it may be from the outage. */
  readonly from: number;
  /** Attempts at once while half-open. */
  readonly ramp: Ramp;
  /** How often it has opened without a quiet time in between: the pause doubles with each. */
  readonly openings: number;
}

export type BreakerState = 'closed' | 'open' | 'half_open';
export type Ramp = 1 | 2 | 4;

export interface Counts {
  readonly good: number;
  readonly bad: number;
}

/** What has become of the attempts of one target lately, neutral ends left out: see `evidenceSpan` for the spans. */
export interface BreakerEvidence {
  /** Of the last `limits.breakerRecentMs`, or the last `limits.breakerRecentMin` where those are more. */
  readonly recent: Counts;
  /** Of the whole span. */
  readonly all: Counts;
  /** Attempts that have no end yet and are bad already, for the time they take. */
  readonly late: number;
  /** There is a cause not to wait for more of them. */
  readonly isCertain: boolean;
}

export interface BreakerSettings {
  readonly pauseMsMax: number;
  /** How many have to end well, from half-open on, for two at once, for four, and for it to close. */
  readonly proofs: readonly [two: number, four: number, closed: number];
}

export interface Ruling extends BreakerSettings {
  readonly now: number;
  readonly evidence: BreakerEvidence;
}

/** What a breaker has become. The same object when nothing has changed. */
export function judgeBreaker(breaker: Breaker, ruling: Ruling): Breaker {
  const { now, evidence, pauseMsMax } = ruling;
  const current = sound(breaker, now);
  switch (current.state) {
    case 'closed':
      return isFailing(evidence) ? opened(current, now) : current;
    case 'open':
      return now - current.since < pauseMs(current, pauseMsMax)
        ? current
        : { ...current, state: 'half_open', since: now, from: now, ramp: 1 };
    case 'half_open':
      return evidence.all.bad + evidence.late > 0 ? opened(current, now) : proven(current, ruling);
  }
}

/** Of which time a breaker is judged: what was answered or ended after `after`, and was submitted after `submittedAfter`. */
export interface EvidenceSpan {
  readonly after: number;
  /** For what is bad. */
  readonly submittedAfter: number;
}

/** An open breaker waits for nothing but time; a half-open one for its probes, however long they take. */
export function evidenceSpan({ state, since, from }: Breaker, now: number): EvidenceSpan {
  const after = { open: now, half_open: since, closed: Math.max(from, now - limits.breakerWindowMs) };
  return { after: after[state], submittedAfter: from };
}

/** Attempts that may be in flight, of those granted since the state began. Null: any number. */
export function admitsOf({ state, ramp }: Breaker): number | null {
  if (state === 'closed') return null;
  return state === 'open' ? 0 : ramp;
}

/** What nobody has anything against. */
export const closedBreaker: Breaker = { state: 'closed', since: 0, from: 0, ramp: 1, openings: 0 };

/** Reads what was stored. What cannot be one is a closed breaker: an unreadable state must not stop a target for good. */
export function readBreaker(json: unknown): Breaker {
  if (typeof json !== 'object' || json === null) return closedBreaker;
  const { state, since, from, ramp, openings }: Partial<Record<keyof Breaker, unknown>> = json;
  const isWhole = isState(state) && isMoment(since) && isMoment(from) && isRamp(ramp) && isMoment(openings);
  return isWhole ? { state, since, from, ramp, openings } : closedBreaker;
}

/**
 * Half of them failed, and so many that it is no accident of a target that fails now and then. A quiet target has fewer to
 * show: there three suffice, where none went well in the whole window.
 */
function isFailing({ recent, all, late, isCertain }: BreakerEvidence): boolean {
  if (isCertain) return true;
  const whole = { good: all.good, bad: all.bad + late };
  const leastBad = whole.good === 0 ? limits.breakerBadAloneMin : limits.breakerBadMin;
  return isShareOver(recent, limits.breakerBadMin) || isShareOver(whole, leastBad);
}

/** Whether at least half of them are bad, and enough in number. */
export function isShareOver({ good, bad }: Counts, leastBad: number): boolean {
  return bad >= leastBad && bad >= limits.breakerBadShare * (good + bad);
}

function opened(breaker: Breaker, now: number): Breaker {
  const isForgotten = breaker.state === 'closed' && now - breaker.since >= limits.breakerForgetMs;
  return { ...breaker, state: 'open', since: now, ramp: 1, openings: isForgotten ? 1 : breaker.openings + 1 };
}

/** What ends well counts whenever it was submitted: it shows that the target gets to the end now. */
function proven(breaker: Breaker, { now, evidence, proofs: [two, four, closed] }: Ruling): Breaker {
  const { good } = evidence.all;
  if (good >= closed) return { ...breaker, state: 'closed', since: now };
  const earned = good >= four ? 4 : good >= two ? 2 : 1;
  return earned > breaker.ramp ? { ...breaker, ramp: earned } : breaker;
}

function pauseMs({ openings }: Breaker, pauseMsMax: number): number {
  const doublings = Math.min(Math.max(openings - 1, 0), 20);
  return Math.min(limits.breakerPauseMsMin * 2 ** doublings, pauseMsMax);
}

/** After a backward jump of the database's clock an open breaker would stay so until the time has caught up. */
function sound(breaker: Breaker, now: number): Breaker {
  return breaker.since > now ? { ...breaker, since: now, from: Math.min(breaker.from, now) } : breaker;
}

function isState(value: unknown): value is BreakerState {
  return value === 'closed' || value === 'open' || value === 'half_open';
}

function isRamp(value: unknown): value is Ramp {
  return value === 1 || value === 2 || value === 4;
}

function isMoment(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
