export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Exact, by the nearest rank: a bench keeps every sample. */
export function percentilesOf(samples: readonly number[]): Percentiles {
  const ordered = Float64Array.from(samples).toSorted();
  const rank = (share: number): number => ordered[Math.max(0, Math.ceil(ordered.length * share) - 1)] ?? 0;
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), p999: rank(0.999), max: rank(1) };
}
