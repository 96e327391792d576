import {
  type AccountLimits,
  growAccount,
  hearAccount,
  limitsInForce,
  type Throttle,
} from '../domain/limits/account-limits.ts';
import { chooseGrants, type Grant, type PoolState, roomOf, type TargetState } from '../domain/grants.ts';
import { limits } from '../domain/limits/limits.ts';
import type { Line } from './line.ts';

export interface LearnedPoolSettings {
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly submittingMax: number;
  readonly target: string;
  readonly line: Line;
}

/** How long before the next start its pass comes. */
const leadMs = 20;

/** An account of one target as Postgres keeps it, and the passes that grant at it. Moments in milliseconds. */
export class LearnedPool {
  readonly #settings: LearnedPoolSettings;
  readonly #targets: readonly TargetState[];
  readonly #grantedLately: number[] = [];
  #outstanding = 0;
  #submitting = 0;
  #nextStartAt = 0;
  #learned: AccountLimits | null = null;
  #throttles: Throttle[] = [];

  constructor(settings: LearnedPoolSettings) {
    const own = { outstandingMax: null, outstanding: 0, perMinuteMax: null, nextStartAt: 0, admits: null, probing: 0 };
    this.#settings = settings;
    this.#targets = [{ name: settings.target, ...own }];
  }

  /** One grant pass, by the same functions as the real one. Returns what it granted. */
  pass(now: number): readonly Grant[] {
    const { line, outstandingMax, perMinuteMax } = this.#settings;
    line.fold();
    const account = this.#hear(now);
    const state = this.#stateOf(now, account);
    const { count, targets } = roomOf(state);
    const flows = line.heads({ targets, headsMax: Math.max(count, 1) });
    const grants = chooseGrants({ ...state, budgetUsdMicros: null, lanes: line.lanes(), flows, overlaps: [] });
    line.note(grants);
    const { granted, nextStartAt } = grants;
    this.#nextStartAt = nextStartAt;
    this.#outstanding += granted.length;
    this.#submitting += granted.length;
    for (const _ of granted) this.#grantedLately.push(now);
    const outstanding = this.#outstanding;
    this.#learned = growAccount(account, { now, outstandingMax, perMinuteMax, outstanding, nextStartAt });
    return granted;
  }

  /** The vendor has answered the POST of a permit. */
  answered(): void {
    this.#submitting -= 1;
  }

  /** The vendor is done: the slot is free. */
  released(): void {
    this.#outstanding -= 1;
  }

  refused(throttle: Throttle): void {
    this.#throttles.push(throttle);
    // It was no start: what the account counts is without it.
    this.#grantedLately.pop();
  }

  /** The earliest moment at which time alone gives a pass something to do. Infinity: nothing, before somebody is answered. */
  nextPassAt(now: number): number {
    const { submittingMax, outstandingMax } = this.#settings;
    if (this.#learned === null) return now;
    if (this.#submitting >= submittingMax) return Number.POSITIVE_INFINITY;
    const { outstandingMax: working, pausedUntil } = limitsInForce(this.#learned);
    const soonest = Math.max(now, pausedUntil);
    // Not as soon as the horizon has room for one more: starts keep their moments, and a pass grants several at once.
    if (this.#outstanding < working) return Math.max(soonest, this.#nextStartAt - leadMs);
    return working < outstandingMax ? Math.max(soonest, this.#learned.outstanding.growAt) : Number.POSITIVE_INFINITY;
  }

  #hear(now: number): AccountLimits {
    while ((this.#grantedLately[0] ?? now) <= now - 60_000) this.#grantedLately.shift();
    const { outstandingMax, perMinuteMax } = this.#settings;
    const inUse = { outstanding: this.#outstanding, startedLately: this.#grantedLately.length };
    const throttles = this.#throttles.splice(0);
    return hearAccount(this.#learned, { now, outstandingMax, perMinuteMax, ...inUse, throttles });
  }

  #stateOf(now: number, account: AccountLimits): PoolState {
    const { outstandingMax, perMinuteMax, pausedUntil } = limitsInForce(account);
    return {
      now,
      outstandingMax,
      outstanding: this.#outstanding,
      perMinuteMax,
      nextStartAt: this.#nextStartAt,
      pausedUntil,
      submitting: this.#submitting,
      submittingMax: this.#settings.submittingMax,
      undelivered: 0,
      startSlots: limits.grantsOfPassMax,
      overlapTokens: 0,
      overlapAt: now,
      targets: this.#targets,
    };
  }
}
