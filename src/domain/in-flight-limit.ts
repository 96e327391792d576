import { limits } from './limits/limits.ts';

/** How late the process was at the least, and since when that was told last. */
export interface Lateness {
  readonly lagMs: number;
  readonly elapsedMs: number;
}

/**
 * How many requests may be under way at once, given how late the process comes to its work: a share less whenever it is
 * late all the time, a little more with all the time that it is not. What waits for Postgres costs nothing, so in good times
 * there may be many; what is being worked on makes everybody wait, so in a flood there are only as many as are answered soon.
 */
export function nextInFlightLimit(limit: number, { lagMs, elapsedMs }: Lateness): number {
  const next =
    lagMs > limits.loopLagMsMax
      ? limit * Math.max(limits.loopLagMsMax / lagMs, limits.inFlightShareMin)
      : limit + (limits.inFlightGrowthPerSecond * elapsedMs) / 1_000;
  return Math.min(Math.max(next, limits.inFlightMin), limits.inFlightMax);
}
