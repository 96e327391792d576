/**
 * The progress of a job under way, in percent: elapsed over typical time, flattening towards 99 so that it never goes
 * back and never claims an end. A switch of target does not reset it: `startedAt` is the first POST's.
 */
export function progressPercent(elapsedMs: number, typicalMs: number): number {
  if (elapsedMs <= 0 || typicalMs <= 0) return 0;
  const share = elapsedMs / typicalMs;
  // Straight to 80 % at the typical duration, then towards 99 % without reaching it.
  const percent = share <= 1 ? 80 * share : 99 - 19 / share ** 2;
  return Math.min(99, Math.floor(percent));
}

/**
 * Seconds that a client should wait before it asks again: a quarter of the expected rest, within 2 and 60 s.
 *
 * @param random a number in [0, 1): up to 20 % of jitter, so that clients do not return in step
 */
export function retryAfterSeconds(etaSeconds: number, random: number): number {
  const quarter = Math.min(Math.max(etaSeconds / 4, 2), 60);
  return Math.round(quarter * (1 + 0.2 * random));
}
