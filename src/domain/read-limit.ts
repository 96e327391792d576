import { type Dimension, follow, type Growth, type LearnedLimit, openLimit } from './learned-limit.ts';
import { limits } from './limits/limits.ts';

/** Reads what was kept of a limit, under the operator's present one. Whatever else it is, or nothing, is a beginning. */
export function readLimit(
  json: unknown,
  dimension: Dimension,
  growth: Pick<Growth, 'configured' | 'now'>,
): LearnedLimit {
  const kept = isLimit(json) && json.dimension === dimension ? json : openLimit(dimension, growth);
  return sound(follow(kept, growth), growth.now);
}

/** After a backward jump of the database's clock all moments would lie in a far future. */
function sound(limit: LearnedLimit, now: number): LearnedLimit {
  const pausedUntil = Math.min(limit.pausedUntil, now + limits.retryAfterMsMax);
  const cutAt = Math.min(limit.cutAt, now);
  const growAt = Math.min(limit.growAt, Math.max(pausedUntil, now) + limits.learnedRateProbeDelayMsMax);
  const isSound = pausedUntil === limit.pausedUntil && cutAt === limit.cutAt && growAt === limit.growAt;
  return isSound ? limit : { ...limit, pausedUntil, cutAt, growAt };
}

function isLimit(json: unknown): json is LearnedLimit {
  if (typeof json !== 'object' || json === null) return false;
  const fields = new Map<string, unknown>(Object.entries(json));
  const isNumber = (name: string): boolean => Number.isFinite(fields.get(name));
  const isLevel = (name: string): boolean => Number.isInteger(fields.get(name)) && Number(fields.get(name)) >= 1;
  return (
    isLevel('working') &&
    isLevel('configured') &&
    Number(fields.get('working')) <= Number(fields.get('configured')) &&
    (fields.get('ceiling') === null || isLevel('ceiling')) &&
    ['held', 'step', 'pausedUntil', 'cutAt', 'growAt', 'probeDelayMs'].every(isNumber)
  );
}
