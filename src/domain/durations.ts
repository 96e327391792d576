import { limits } from './limits/limits.ts';

/** What the catalogue says of a target, in milliseconds from submit to end. */
export interface TypicalDuration {
  readonly typicalMs: number;
  readonly longestMs: number;
}

/** How long a target's videos take, from submit to end: a handful of quantiles of the last few hundred that were made. */
export interface DurationSketch {
  /** How many videos it is of. Few: the catalogue's word still counts for some of it. */
  readonly observed: number;
  /** Milliseconds at `sketchQuantiles`, ascending. */
  readonly quantilesMs: readonly number[];
  readonly longestMs: number;
}

/** The quantiles that a sketch keeps: 0.05 to 0.95 in steps of 0.05. */
export const sketchQuantiles: readonly number[] = Array.from({ length: 19 }, (_, index) => (index + 1) / 20);

/** What Postgres has observed, as it is stored: `percentile_cont` at `sketchQuantiles`. */
export interface ObservedDurations {
  readonly count: number;
  readonly quantilesMs: readonly number[];
  /** Milliseconds from the grant to the submit, for half of them. Null: not known. */
  readonly beforeMs: number | null;
  /** Milliseconds from the end to the video's being kept, for four fifths of them. Null: not known. */
  readonly afterMs: number | null;
}

/** What we add to the time that a target takes ourselves; 0 where nothing was observed. */
export type Overhead = { readonly [Part in 'beforeMs' | 'afterMs']: number };

export function readOverhead(json: unknown): Overhead {
  if (typeof json !== 'object' || json === null) return { beforeMs: 0, afterMs: 0 };
  const { beforeMs, afterMs }: Partial<Record<keyof Overhead, unknown>> = json;
  return { beforeMs: isDuration(beforeMs) ? beforeMs : 0, afterMs: isDuration(afterMs) ? afterMs : 0 };
}

/** The same videos, each by so many milliseconds longer. */
export function lengthened(sketch: DurationSketch, byMs: number): DurationSketch {
  return { ...sketch, quantilesMs: sketch.quantilesMs.map((ms) => ms + byMs) };
}

/**
 * The sketch of a target from its stored JSON, mixed with the catalogue's word, which counts as much as
 * `limits.durationPriorWeight` videos. What cannot be read counts as nothing observed.
 */
export function readDurations(json: unknown, prior: TypicalDuration): DurationSketch {
  const { count, quantilesMs } = readObserved(json);
  const weight = count / (count + limits.durationPriorWeight);
  const mixed = priorQuantilesMs(prior).map((ms, index) => ms + weight * ((quantilesMs[index] ?? ms) - ms));
  return { observed: count, quantilesMs: mixed, longestMs: prior.longestMs };
}

/** Milliseconds in which that share of the videos is made. Beyond the outermost quantiles: as those. */
export function durationAt({ quantilesMs }: DurationSketch, quantile: number): number {
  const last = quantilesMs.length - 1;
  const position = Math.min(Math.max(quantile * 20 - 1, 0), last);
  const below = Math.floor(position);
  const lower = quantilesMs[below] ?? 0;
  const upper = quantilesMs[Math.min(below + 1, last)] ?? lower;
  return lower + (position - below) * (upper - lower);
}

/** Milliseconds: the mean of the quantiles, each for the twentieth around it and the outer ones for their tails as well. */
export function meanDuration({ quantilesMs }: DurationSketch): number {
  const first = quantilesMs[0] ?? 0;
  const last = quantilesMs.at(-1) ?? first;
  const sum = quantilesMs.reduce((total, ms) => total + ms, 0);
  return (sum + first / 2 + last / 2) / (quantilesMs.length + 1);
}

/** Milliseconds after which an attempt takes far longer than usual: well past p95, and never past the longest there is. */
export function overdueAfterMs(sketch: DurationSketch): number {
  const usual = durationAt(sketch, 0.95);
  return Math.min(Math.max(usual * limits.overdueFactor, usual + limits.overdueMsMin), sketch.longestMs);
}

/**
 * Milliseconds after which an attempt has been due for `withinMs`: half of all are made sooner than it began to be. Null:
 * too few were observed to expect anything.
 */
export function dueAfterMs(sketch: DurationSketch, withinMs: number): number | null {
  return sketch.observed < limits.durationsKnownMin ? null : durationAt(sketch, 0.5) + withinMs;
}

/**
 * How many of `due` attempts should have ended in the last `withinMs`. Between p50 and p95 nine of ten of those left come to
 * their end: taken as an even hazard, which adds up to ln 10.
 */
export function endsExpected(sketch: DurationSketch, { due, withinMs }: { due: number; withinMs: number }): number {
  const spreadMs = Math.max(durationAt(sketch, 0.95) - durationAt(sketch, 0.5), 1);
  return due * Math.LN10 * Math.min(1, withinMs / spreadMs);
}

/** Of the normal distribution, at the quantiles above one half. */
const deviations = [0.126, 0.253, 0.385, 0.524, 0.674, 0.842, 1.036, 1.282, 1.645];
/** What is assumed of a target's spread: its p95 is half as much again as its median. */
const priorSigma = Math.log(1.5) / 1.645;

/** A lognormal distribution around the typical duration. */
function priorQuantilesMs({ typicalMs, longestMs }: TypicalDuration): readonly number[] {
  const below = deviations.map((deviation) => -deviation).toReversed();
  return [...below, 0, ...deviations].map((z) => Math.min(typicalMs * Math.exp(priorSigma * z), longestMs));
}

const nothing: Pick<ObservedDurations, 'count' | 'quantilesMs'> = { count: 0, quantilesMs: [] };

function readObserved(json: unknown): typeof nothing {
  if (typeof json !== 'object' || json === null) return nothing;
  const { count, quantilesMs }: Partial<Record<keyof typeof nothing, unknown>> = json;
  if (!isDuration(count) || !Array.isArray(quantilesMs) || quantilesMs.length !== sketchQuantiles.length)
    return nothing;
  const sound: readonly number[] = quantilesMs.filter(isDuration);
  const isAscending = sound.every((ms, index) => ms >= (sound[index - 1] ?? 0));
  return sound.length === quantilesMs.length && isAscending ? { count, quantilesMs: sound } : nothing;
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
