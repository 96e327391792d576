import { durationAt, type DurationSketch, meanDuration } from './durations.ts';
import { type Observed, paceOf } from './pace.ts';

/** What a line is served by: slots that videos occupy for a while, and a rate of starts. */
export interface Drain {
  /** Slots that new videos can have, taken ones included. Those of zombies are none. */
  readonly slots: number;
  readonly perMinuteMax: number;
  /** The videos under way, by how long they have been. */
  readonly underWay: readonly UnderWay[];
  readonly sketch: DurationSketch;
  /** What the line was granted lately, while somebody waited. */
  readonly observed: Observed;
}

export interface UnderWay {
  readonly ageMs: number;
  readonly count: number;
}

/** The grants that are to be expected, as a curve over time. */
export interface DrainForecast {
  /** Milliseconds of one step of the curve. */
  readonly stepMs: number;
  /** Grants until the end of each step. */
  readonly grants: readonly number[];
  /** Beyond the curve. */
  readonly grantsPerMs: number;
  readonly slots: number;
  /** The share of the wait by which it may be off, for what no model knows. */
  readonly doubt: number;
}

const stepsOfMean = 20;
const stepsMax = 12 * stepsOfMean;

/**
 * Follows the slots through time: a video under way ends by the durations of its target, the next one begins in its slot
 * as soon as the rate allows. So a pool that was filled at once is known to grant in waves. What was observed then
 * stretches or shortens it. Null: no slot will ever be free.
 */
export function forecastDrain({ slots, perMinuteMax, underWay, sketch, observed }: Drain): DrainForecast | null {
  const meanMs = Math.max(meanDuration(sketch), 1);
  if (slots <= 0 || perMinuteMax <= 0) return null;
  const stepMs = meanMs / stepsOfMean;
  const perStep = (perMinuteMax / 60_000) * stepMs;
  const ends = endsOf(underWay, { sketch, stepMs });
  const share = sharesOf(sketch, stepMs);
  const starts: number[] = [];
  const grants: number[] = [];
  let free = Math.max(0, slots - underWay.reduce((sum, { count }) => sum + count, 0));
  for (let step = 0; step < stepsMax; step += 1) {
    free += ends[step] ?? 0;
    for (let age = 1; age <= Math.min(step, share.length - 1); age += 1)
      free += (starts[step - age] ?? 0) * (share[age] ?? 0);
    const started = Math.min(free, perStep);
    free -= started;
    starts.push(started);
    grants.push((grants[step - 1] ?? 0) + started);
  }
  const expectedPerMs = Math.min(slots / meanMs, perMinuteMax / 60_000);
  const { pace, doubt } = paceOf(observed, { expectedPerMs, meanMs });
  return { stepMs: stepMs / pace, grants, grantsPerMs: expectedPerMs * pace, slots, doubt };
}

/** Milliseconds until so many have been granted. */
export function waitMsOf({ stepMs, grants, grantsPerMs }: DrainForecast, count: number): number {
  const last = grants.at(-1) ?? 0;
  if (count > last) return grants.length * stepMs + (count - last) / grantsPerMs;
  const step = grants.findIndex((total) => total >= count);
  const before = grants[step - 1] ?? 0;
  const within = (count - before) / Math.max((grants[step] ?? 0) - before, Number.EPSILON);
  return (step + within) * stepMs;
}

/** The deviation of a normal distribution that four fifths lie below. */
const z80 = 0.842;

export interface Asked {
  readonly position: number;
  readonly sketch: DurationSketch;
  /** What comes after the video is made. */
  readonly afterMs?: number;
}

/**
 * Milliseconds until the video of the ticket at this position is here, or sooner in four cases of five: its wait and its
 * making, whose doubts add up as squares do, for they have little to do with each other.
 */
export function etaMsOf(forecast: DrainForecast, { position, sketch, afterMs = 0 }: Asked): number {
  const [usualMs, longMs] = [durationAt(sketch, 0.5), durationAt(sketch, 0.8)];
  const lateMs = Math.hypot(...latenessOf(forecast, { position, sketch }), longMs - usualMs);
  return waitMsOf(forecast, position) + usualMs + lateMs + afterMs;
}

/** Milliseconds that the ticket at this position waits, or less in four cases of five. */
export function longWaitMsOf(forecast: DrainForecast, asked: Omit<Asked, 'afterMs'>): number {
  return waitMsOf(forecast, asked.position) + Math.hypot(...latenessOf(forecast, asked));
}

/** What four fifths of all waits stay below, beyond the usual one: for what is counted, and for what no model knows. */
function latenessOf(forecast: DrainForecast, { position, sketch }: Asked): readonly [number, number] {
  const waitMs = waitMsOf(forecast, position);
  const counted = z80 * Math.sqrt(position * dispersionOf(forecast, { position, sketch }));
  return [waitMsOf(forecast, position + counted) - waitMs, z80 * forecast.doubt * waitMs];
}

/**
 * How widely the number of ends varies around its mean, as a share of it: of the first round of slots as that of coins that
 * have come up, later as renewals do, by the spread of one duration.
 */
function dispersionOf({ slots }: DrainForecast, { position, sketch }: Asked): number {
  const spread = (durationAt(sketch, 0.84) - durationAt(sketch, 0.16)) / 2 / Math.max(durationAt(sketch, 0.5), 1);
  return Math.max(spread ** 2, 1 - position / slots);
}

/** The videos under way that end in each step, given how old they are already. */
function endsOf(
  underWay: readonly UnderWay[],
  { sketch, stepMs }: { sketch: DurationSketch; stepMs: number },
): readonly number[] {
  const ends = Array.from({ length: stepsMax }, () => 0);
  for (const { ageMs, count } of underWay) {
    let left = 1 - shareMadeAt(sketch, ageMs);
    // Later than all that was seen: any moment now.
    const isOverdue = left < 0.01;
    if (isOverdue) left = 1;
    let before = 0;
    for (let step = 0; step < stepsMax && before < 1; step += 1) {
      const elapsedMs = (step + 1) * stepMs;
      const made = isOverdue
        ? elapsedMs / meanDuration(sketch)
        : 1 - (1 - shareMadeAt(sketch, ageMs + elapsedMs)) / left;
      ends[step] = (ends[step] ?? 0) + count * (Math.min(made, 1) - before);
      before = Math.min(made, 1);
    }
  }
  return ends;
}

/** The share of videos that take so many steps. */
function sharesOf(sketch: DurationSketch, stepMs: number): readonly number[] {
  const made = Array.from({ length: stepsMax + 1 }, (_, step) => shareMadeAt(sketch, (step + 0.5) * stepMs));
  // None in the step of its own start: what is as quick as that takes one.
  const shares = made.map((share, step) => (step === 0 ? 0 : share - (step === 1 ? 0 : (made[step - 1] ?? 0))));
  const last = shares.findLastIndex((share) => share > 0);
  return shares.slice(0, last + 1);
}

/** The share of videos that are made by that age. The outermost twentieths reach as far as the sketch is wide there. */
function shareMadeAt({ quantilesMs }: DurationSketch, ageMs: number): number {
  const first = quantilesMs[0] ?? 0;
  const last = quantilesMs.at(-1) ?? first;
  const middle = quantilesMs[Math.floor(quantilesMs.length / 2)] ?? first;
  const knots = [first - (middle - first) / 2, ...quantilesMs, last + (last - middle)];
  const above = knots.findIndex((knot) => knot > ageMs);
  if (above === -1) return 1;
  if (above === 0) return 0;
  const [lower, upper] = [knots[above - 1] ?? 0, knots[above] ?? 0];
  return (above - 1 + (ageMs - lower) / (upper - lower)) / (knots.length - 1);
}
