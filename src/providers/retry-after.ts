import { limits } from '../domain/limits/limits.ts';

const { retryAfterMsMax } = limits;

/**
 * Reads `Retry-After` in either form (RFC 9110, section 10.2.3), at most ten minutes. Garbage says nothing: a vendor
 * that is overloaded must not be able to park us for a year, nor to make us fail.
 */
export function parseRetryAfterMs(value: string | undefined, now: number): number | undefined {
  const askedMs = readRetryAfterMs(value, now);
  return askedMs === undefined ? undefined : Math.min(askedMs, retryAfterMsMax);
}

/** As it says: who asks for it has a bound of its own. */
export function readRetryAfterMs(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(at - now, 0);
}
