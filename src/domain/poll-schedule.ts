import type { RouteTarget } from './route.ts';

/** A callback is late once the target's typical duration is over by this factor. */
const lateFactor = 1.5;
/** Where nobody calls back, looking before half the typical duration is over finds nothing. */
const pollOnlyFactor = 0.5;

/** Milliseconds after acceptance at which the first poll is due. */
export function firstCheckDelayMs(target: Pick<RouteTarget, 'typicalMs' | 'callbacks'>): number {
  return Math.round(target.typicalMs * (target.callbacks ? lateFactor : pollOnlyFactor));
}

/**
 * Milliseconds until the next poll of an operation that is still under way: a tenth of the typical duration at first,
 * growing to half of it, never closer than 1 s nor further than 30 s with the spread.
 *
 * @param check the number of polls made so far, from 1
 * @param random a number in [0, 1): spreads polls by ±20 %, so that a batch of jobs does not poll in step
 */
export function nextCheckDelayMs(target: Pick<RouteTarget, 'typicalMs'>, check: number, random: number): number {
  const growing = target.typicalMs * Math.min(0.1 * 1.5 ** (check - 1), 0.5);
  const bounded = Math.min(Math.max(growing, 1_250), 25_000);
  return Math.round(bounded * (0.8 + 0.4 * random));
}

/**
 * Milliseconds that a poll, once begun, has for its first answer before we stop waiting for it: a tenth of the typical
 * duration, within 200 ms and 5 s. Long enough for one request to the provider, short against the video.
 */
export function lookMs(target: Pick<RouteTarget, 'typicalMs'>): number {
  return Math.round(Math.min(Math.max(target.typicalMs * 0.1, 200), 5_000));
}
