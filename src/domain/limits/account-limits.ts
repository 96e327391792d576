import type { PoolState } from '../grants.ts';
import { cut, type Dimension, grow, type LearnedLimit } from '../learned-limit.ts';
import { readLimit } from '../read-limit.ts';

/** What was learned of an account, as its pool's row keeps it. */
export interface AccountLimits {
  readonly outstanding: LearnedLimit;
  readonly rate: LearnedLimit;
}

/** A submit that the account refused for load. Moments in milliseconds of the database's clock. */
export interface Throttle {
  readonly dimension: Dimension;
  /** When the permit was granted that was refused. */
  readonly grantedAt: number;
  readonly retryAfterMs: number | null;
}

/** Limits that an operator has set in place of the configured ones, for a while. Null: none. */
export interface LimitOverrides {
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
}

/**
 * The limits that what an account bears is learned by. A raised one is the operator's word that there is more; a lowered one
 * says nothing of the account, which is remembered for when it is over.
 */
export function learnedBy<Limits extends Pick<Hearing, 'outstandingMax' | 'perMinuteMax'>>(
  configured: Limits,
  overrides: LimitOverrides,
): Limits {
  return {
    ...configured,
    outstandingMax: Math.max(configured.outstandingMax, overrides.outstandingMax ?? 0),
    perMinuteMax: Math.max(configured.perMinuteMax, overrides.perMinuteMax ?? 0),
  };
}

export interface Hearing {
  readonly now: number;
  /** As the operator has set them. */
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  /** Jobs at the account, without those refused. */
  readonly outstanding: number;
  /** Starts in the last minute, without those refused. */
  readonly startedLately: number;
  readonly throttles: readonly Throttle[];
}

/** Reads what is known of the account (JSON, or nothing) and folds in what it has refused since. */
export function hearAccount(json: unknown, hearing: Hearing): AccountLimits {
  const { now, outstandingMax, perMinuteMax, outstanding, startedLately } = hearing;
  const kept = typeof json === 'object' && json !== null ? new Map<string, unknown>(Object.entries(json)) : new Map();
  return {
    outstanding: heard('outstanding', outstandingMax, outstanding),
    rate: heard('rate', perMinuteMax, startedLately),
  };

  function heard(dimension: Dimension, configured: number, inUse: number): LearnedLimit {
    const throttles = hearing.throttles.filter((throttle) => throttle.dimension === dimension);
    const limit = readLimit(kept.get(dimension), dimension, { configured, now });
    return throttles.reduce((learned, throttle) => cut(learned, { ...throttle, now, inUse }), limit);
  }
}

/** The limits in force: as learned, and no more than an operator allows at the moment. */
export function limitsInForce(
  { outstanding, rate }: AccountLimits,
  overrides: LimitOverrides = noOverrides,
): Pick<PoolState, 'outstandingMax' | 'perMinuteMax' | 'pausedUntil'> {
  return {
    outstandingMax: Math.min(outstanding.working, overrides.outstandingMax ?? Infinity),
    perMinuteMax: Math.min(rate.working, overrides.perMinuteMax ?? Infinity),
    pausedUntil: Math.max(outstanding.pausedUntil, rate.pausedUntil),
  };
}

const noOverrides: LimitOverrides = { outstandingMax: null, perMinuteMax: null };

export interface PassEnd extends Pick<Hearing, 'now' | 'outstandingMax' | 'perMinuteMax' | 'outstanding'> {
  readonly nextStartAt: number;
  readonly overrides?: LimitOverrides;
}

/** After a pass: limits that are used up grow when it is time. The same object where nothing has changed. */
export function growAccount(account: AccountLimits, pass: PassEnd): AccountLimits {
  const { now, outstandingMax, perMinuteMax } = pass;
  const outstanding = grow(account.outstanding, {
    configured: outstandingMax,
    now,
    isUsedUp: pass.outstanding >= 0.9 * account.outstanding.working,
  });
  // A rate that an operator keeps below it is used up without having shown anything.
  const isKeptBelow = (pass.overrides?.perMinuteMax ?? Infinity) < account.rate.working;
  const rate = grow(account.rate, {
    configured: perMinuteMax,
    now,
    isUsedUp: pass.nextStartAt > now && !isKeptBelow,
  });
  return outstanding === account.outstanding && rate === account.rate ? account : { outstanding, rate };
}
