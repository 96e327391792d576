import { limits } from './limits/limits.ts';

/** What a line was granted lately, while somebody waited. */
export interface Observed {
  readonly granted: number;
  readonly spanMs: number;
  /** The standard error of that rate, as a share of it. */
  readonly error: number;
}

/** What a target had been granted at a moment, noted every `limits.drainSampleEveryMs` while somebody waited. */
export type DrainSample = readonly [at: number, grantedTotal: number];

/** What was granted over the last unbroken row of samples; where one is missing, nobody waited. */
export function observedOf(samples: readonly DrainSample[]): Observed {
  const last = samples.at(-1);
  const first = samples.findLastIndex(
    ([at], index) => index === 0 || at - (samples[index - 1]?.[0] ?? 0) > 3 * limits.drainSampleEveryMs,
  );
  const row = samples.slice(Math.max(first, 0));
  const from = row[0];
  if (from === undefined || last === undefined) return { granted: 0, spanMs: 0, error: 0 };
  return { granted: last[1] - from[1], spanMs: last[0] - from[0], error: errorOf(row) };
}

const parts = 5;

/** By the parts of the row: how much their rates differ says how well their mean is known. */
function errorOf(row: readonly DrainSample[]): number {
  if (row.length <= parts) return 0;
  const ends = Array.from({ length: parts + 1 }, (_, part) => row[Math.floor((part * (row.length - 1)) / parts)]);
  const rates = ends.slice(1).map((end, part) => {
    const begin = ends[part];
    return begin === undefined || end === undefined ? 0 : (end[1] - begin[1]) / Math.max(end[0] - begin[0], 1);
  });
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / parts;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / (parts - 1);
  return mean === 0 ? 0 : Math.sqrt(variance / parts) / mean;
}

/** After so many mean durations what was observed counts as much as what is to be expected. */
const meansOfForecast = 4;

/**
 * How fast the line is, as a multiple of what is to be expected of it, and the share by which that may be off. What was
 * observed is off by part of a wave, of which nobody knows where it began, so it gains on the forecast as squares do. In the
 * end it is the truth: it knows of all that slots and durations do not tell, of gaps between jobs and of busy machines.
 */
export function paceOf(observed: Observed, { expectedPerMs, meanMs }: { expectedPerMs: number; meanMs: number }) {
  const means = observed.spanMs / meanMs;
  const trust = means ** 2 / (means ** 2 + meansOfForecast ** 2);
  const seen = observed.granted / Math.max(expectedPerMs * observed.spanMs, Number.EPSILON);
  const error = Math.max(observed.error, limits.drainDoubtMin);
  return {
    pace: Math.max(1 - trust + trust * seen, limits.drainPaceMin),
    doubt: Math.hypot((1 - trust) * limits.drainDoubtMax, trust * error),
  };
}
