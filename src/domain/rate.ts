import { limits } from './limits/limits.ts';

/**
 * GCRA, the generic cell rate algorithm (ITU-T I.371): one timestamp carries a whole rate limit. A start is granted while
 * the next theoretical start lies within the horizon, so starts are smooth and a minute's edge allows no burst.
 */
export interface Rate {
  readonly perMinuteMax: number;
  /** The earliest moment of the next start, in milliseconds of the database's clock. */
  readonly nextStartAt: number;
}

/** Milliseconds between two starts. */
export function intervalMs({ perMinuteMax }: Pick<Rate, 'perMinuteMax'>): number {
  return 60_000 / perMinuteMax;
}

/** After a backward jump of the database's clock the next start would lie in a far future: then it begins anew. */
export function sound<Limited extends Rate>(rate: Limited, now: number): Limited {
  const furthest = now + limits.grantHorizonMs + 2 * intervalMs(rate) + 1_000;
  return rate.nextStartAt > furthest ? { ...rate, nextStartAt: now } : rate;
}

/** Whether nobody may start within the horizon. */
export function isSpent({ nextStartAt }: Pick<Rate, 'nextStartAt'>, now: number): boolean {
  return nextStartAt > now + limits.grantHorizonMs;
}

/** How many starts the horizon has room for. */
export function startsLeft(rate: Rate, now: number): number {
  const roomMs = now + limits.grantHorizonMs - Math.max(rate.nextStartAt, now);
  return roomMs < 0 ? 0 : Math.floor(roomMs / intervalMs(rate)) + 1;
}
