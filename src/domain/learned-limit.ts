import { limits } from './limits/limits.ts';

/**
 * What an account really bears in one dimension, learned from its refusals: a table may be wrong, and vendors change their
 * limits unannounced. A small JSON value, kept on the pool's row and changed under its lock, so that all workers share it.
 * Moments are milliseconds of the database's clock; levels are jobs (`outstanding`) or starts a minute (`rate`).
 *
 * Additive increase and multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease algorithms for
 * congestion avoidance in computer networks", 1989) is safe and keeps knocking at the wall. So the wall is remembered, as
 * TCP CUBIC does (RFC 9438): fast up to just below it, then rare probes, each wait twice as long as the one before; a
 * probe that holds moves the wall and doubles the next step. As with BBR, what counts is what was seen in use.
 */
export interface LearnedLimit {
  readonly dimension: Dimension;
  /** The operator's limit when last looked at. */
  readonly configured: number;
  /** The limit in force: whole, at least 1, never above the configured one. */
  readonly working: number;
  /** The largest level that was in use for a while and not refused. 0: none is known. */
  readonly held: number;
  /** The level that was in use when the account last refused. Null: it never has. */
  readonly ceiling: number | null;
  /** The share of the limit by which the next probe raises it. */
  readonly step: number;
  /** No grants before this moment. */
  readonly pausedUntil: number;
  /** The refusal of a permit that was granted until then teaches nothing new. */
  readonly cutAt: number;
  /** No growth before this moment. */
  readonly growAt: number;
  /** How long the next probe waits, once the limit is back just below its ceiling. */
  readonly probeDelayMs: number;
}

/** What a vendor limits: the jobs that are under way at once, or the starts in a minute. */
export type Dimension = 'outstanding' | 'rate';

interface Settings {
  /** How far back the vendor may count. A refusal may tell of what was done so long ago. */
  readonly windowMs: number;
  /** Between two doublings, as long as nothing was ever refused. More than it takes to hear of a refusal. */
  readonly doubleEveryMs: number;
  /** Between two steps on the way back to the ceiling. */
  readonly recoverEveryMs: number;
  /** For a probe to show what it is worth. */
  readonly probeMs: number;
  /** From a refusal to the next probe; twice as long each time that one is refused. */
  readonly probeDelayMsMin: number;
  readonly probeDelayMsMax: number;
}

const { retryAfterMsMax } = limits;

const settingsOf: Readonly<Record<Dimension, Settings>> = {
  outstanding: {
    windowMs: 0,
    doubleEveryMs: 2_000,
    recoverEveryMs: 3_000,
    probeMs: 3_000,
    probeDelayMsMin: limits.learnedProbeDelayMsMin,
    probeDelayMsMax: limits.learnedProbeDelayMsMax,
  },
  // A vendor that counts by the minute says nothing of a rate before a minute is over, and says it several times.
  rate: {
    windowMs: 60_000,
    doubleEveryMs: 2_000,
    recoverEveryMs: 10_000,
    probeMs: 65_000,
    probeDelayMsMin: limits.learnedRateProbeDelayMsMin,
    probeDelayMsMax: limits.learnedRateProbeDelayMsMax,
  },
};

const cutTo = 0.7;
const recoverShare = 0.05;
const belowCeiling = 0.95;
const probeStep = 0.01;
/** How long growth waits for use. Short, for use comes and goes; not so short that every pass would write. */
const unusedMs = 2_000;

/**
 * The beginning: the configured limit, which the operator has from somewhere. Should it be wrong, a refusal costs nothing
 * and the next pass knows better; to begin small would cost everybody a slow first minute.
 */
export function openLimit(dimension: Dimension, { configured, now }: Pick<Growth, 'configured' | 'now'>): LearnedLimit {
  return {
    dimension,
    configured,
    working: configured,
    held: 0,
    ceiling: null,
    step: probeStep,
    pausedUntil: 0,
    // Before all moments: it never was.
    cutAt: -settingsOf[dimension].windowMs,
    growAt: now + settingsOf[dimension].doubleEveryMs,
    probeDelayMs: settingsOf[dimension].probeDelayMsMin,
  };
}

export interface Refused {
  /** When the refused submit got its permit. */
  readonly grantedAt: number;
  /** When the pass that folds the refusal runs. What it grants afterwards belongs to the next generation. */
  readonly now: number;
  /** The account's permits held, or its starts in the last minute, in this pass: without the one that was refused. */
  readonly inUse: number;
  /** How long the vendor asked us to stay away. */
  readonly retryAfterMs?: number | null;
}

/** Learns from one refusal: at most one decrease for all permits that were granted before the last one. */
export function cut(limit: LearnedLimit, refused: Refused): LearnedLimit {
  const { grantedAt, now } = refused;
  const waitMs = askedMs(refused);
  const isAsked = waitMs > 0;
  const asked = isAsked ? paused(limit, now + waitMs) : limit;
  if (grantedAt <= limit.cutAt) return asked;
  const windowEndsAt = limit.cutAt + settingsOf[limit.dimension].windowMs;
  // The vendor still counts what was started before the cut, which says nothing about the level since.
  if (grantedAt < windowEndsAt) return isAsked ? asked : paused(limit, windowEndsAt);
  const lowered = decreased(asked, refused);
  // The vendor's word is better than a guess at when it will have forgotten what was too much.
  const guessMs = settingsOf[limit.dimension].windowMs * (1 - lowered.working / limit.working);
  const next = isAsked ? lowered : paused(lowered, now + guessMs);
  return { ...next, growAt: Math.max(next.pausedUntil, now) + delayOf(next) };
}

export interface Growth {
  readonly configured: number;
  readonly now: number;
  /** Whether at least nine tenths of the limit are in use, after what this pass granted. */
  readonly isUsedUp: boolean;
}

/** Follows the operator at once, and grows when it is time. To be called in every pass; mostly returns what it got. */
export function grow(limit: LearnedLimit, growth: Growth): LearnedLimit {
  const followed = follow(limit, growth);
  const { now, isUsedUp } = growth;
  if (followed.working >= growth.configured || now < followed.growAt) return followed;
  // A level that nobody uses, or may use, proves nothing.
  if (!isUsedUp || now < followed.pausedUntil) return { ...followed, growAt: now + unusedMs };
  const grown = climbed(followed);
  return { ...grown, working: Math.min(grown.working, growth.configured), growAt: now + delayOf(grown) };
}

function askedMs({ retryAfterMs }: Refused): number {
  return Math.min(Math.max(retryAfterMs ?? 0, 0), retryAfterMsMax);
}

function paused(limit: LearnedLimit, until: number): LearnedLimit {
  return until > limit.pausedUntil ? { ...limit, pausedUntil: until } : limit;
}

function decreased(limit: LearnedLimit, { now, inUse }: Refused): LearnedLimit {
  const { probeDelayMsMin, probeDelayMsMax } = settingsOf[limit.dimension];
  // A quiet account shows little of what it bears: a lone refusal there may mean anything.
  const seen = Math.max(Math.round(inUse) + 1, Math.ceil(limit.working / 2));
  const level = Math.min(limit.working, seen);
  const held = limit.held < level ? limit.held : 0;
  // What held for long is hardly far off the mark: one step down, and only what follows is a landslide.
  const gentle = held === 0 && limit.held > 0 ? justBelow(level) : 0;
  return {
    ...limit,
    working: Math.max(1, held, gentle, Math.floor(level * cutTo)),
    held,
    ceiling: level,
    // The less of the limit was in use when it was refused, the less is known of what it should be.
    step: Math.max(probeStep, (1 - level / limit.working) / 2),
    probeDelayMs: limit.held > 0 ? Math.min(limit.probeDelayMs * 2, probeDelayMsMax) : probeDelayMsMin,
    cutAt: now,
  };
}

function climbed(limit: LearnedLimit): LearnedLimit {
  const { working, ceiling, step } = limit;
  if (ceiling === null) return { ...limit, working: working * 2 };
  const top = topOf(limit);
  if (working < top) return { ...limit, working: Math.min(top, working + atLeastOne(ceiling * recoverShare)) };
  return {
    ...limit,
    working: working + atLeastOne(working * step),
    held: working,
    ceiling: Math.max(ceiling, working),
    // Below the ceiling it may be hit any time; beyond, it has moved, and nobody knows how far.
    step: working > ceiling ? Math.min(step * 2, 1) : step,
  };
}

/** How long the limit stays as it is now. */
function delayOf(limit: LearnedLimit): number {
  const { recoverEveryMs, doubleEveryMs, probeMs } = settingsOf[limit.dimension];
  if (limit.ceiling === null) return doubleEveryMs;
  const top = topOf(limit);
  if (limit.working < top) return recoverEveryMs;
  return limit.working === top ? limit.probeDelayMs : probeMs;
}

/** Up to here the way is known: just below the ceiling, or what was seen to hold. */
function topOf({ ceiling, held }: LearnedLimit): number {
  return Math.max(held, ceiling === null ? 1 : justBelow(ceiling));
}

function justBelow(ceiling: number): number {
  return Math.max(1, Math.min(ceiling - 1, Math.floor(ceiling * belowCeiling)));
}

function atLeastOne(level: number): number {
  return Math.max(1, Math.round(level));
}

/** A raised limit is the operator's word that the old ceiling is gone; a lowered one holds from now on. */
export function follow(limit: LearnedLimit, { configured, now }: Pick<Growth, 'configured' | 'now'>): LearnedLimit {
  if (configured === limit.configured) return limit;
  const { dimension, working, held } = limit;
  const followed = { ...limit, configured, working: Math.min(working, configured), held: Math.min(held, configured) };
  if (configured < limit.configured) return followed;
  const growAt = now + settingsOf[dimension].doubleEveryMs;
  return { ...followed, ceiling: null, step: probeStep, probeDelayMs: settingsOf[dimension].probeDelayMsMin, growAt };
}
