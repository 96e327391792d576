import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dueAfterMs,
  durationAt,
  endsExpected,
  lengthened,
  meanDuration,
  overdueAfterMs,
  readDurations,
  readOverhead,
  sketchQuantiles,
} from '../../src/domain/durations.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { sketchOf } from './toy-target.ts';

const prior = { typicalMs: 60_000, longestMs: 900_000 };
const even = Array.from({ length: 301 }, (_, index) => 20_000 + index * 100);

describe('a sketch of durations', () => {
  test('is the catalogue’s word where nothing was observed', () => {
    const sketch = readDurations({}, prior);
    expect(sketch.observed).toBe(0);
    expect(durationAt(sketch, 0.5)).toBe(60_000);
    expect(durationAt(sketch, 0.95)).toBeCloseTo(90_000, -2);
    expect(dueAfterMs(sketch, 10_000)).toBeNull();
  });

  test('never assumes a video that takes longer than the longest', () => {
    const sketch = readDurations({}, { typicalMs: 60_000, longestMs: 70_000 });
    expect(durationAt(sketch, 0.95)).toBe(70_000);
    expect(overdueAfterMs(sketch)).toBe(70_000);
  });

  test('goes over to what was observed as that becomes more', () => {
    const medians = [2, 20, 300].map((count) =>
      durationAt(readDurations({ count, quantilesMs: sketchQuantiles.map(() => 10_000) }, prior), 0.5),
    );
    expect(medians[0]).toBeGreaterThan(50_000);
    expect(medians[1]).toBe(35_000);
    expect(medians[2]).toBeLessThan(14_000);
  });

  test('reads between its quantiles, and never beyond the outermost', () => {
    const sketch = { ...sketchOf([]), quantilesMs: sketchQuantiles.map((quantile) => quantile * 100_000) };
    expect(durationAt(sketch, 0.8)).toBeCloseTo(80_000);
    expect(durationAt(sketch, 0.525)).toBeCloseTo(52_500);
    expect([durationAt(sketch, 0), durationAt(sketch, 1)]).toEqual([5_000, 95_000]);
    expect(meanDuration(sketch)).toBeCloseTo(50_000);
  });

  test('calls nothing overdue that is within p95, and a hang soon after it', () => {
    const sketch = sketchOf(even);
    const usual = durationAt(sketch, 0.95);
    expect(overdueAfterMs(sketch)).toBeGreaterThan(usual);
    expect(overdueAfterMs(sketch)).toBeLessThanOrEqual(usual * limits.overdueFactor);
  });

  test('gives a target that takes next to no time a few seconds nevertheless', () => {
    const instant = readDurations(
      { count: 300, quantilesMs: sketchQuantiles.map(() => 20) },
      { typicalMs: 20, longestMs: 60_000 },
    );
    expect(overdueAfterMs(instant)).toBeGreaterThanOrEqual(limits.overdueMsMin);
  });

  test('expects of those who are due no more ends than there are tails for', () => {
    const sketch = sketchOf(even);
    expect(endsExpected(sketch, { due: 0, withinMs: 10_000 })).toBe(0);
    expect(endsExpected(sketch, { due: 10, withinMs: 10_000 })).toBeGreaterThan(10);
    expect(endsExpected(sketch, { due: 10, withinMs: 1_000 })).toBeLessThan(3);
  });

  test.each([
    null,
    'fast',
    { count: 5 },
    { count: -1, quantilesMs: sketchQuantiles },
    { count: 5, quantilesMs: [1, 2, 3] },
    { count: 5, quantilesMs: sketchQuantiles.map((_, index) => 19 - index) },
    { count: 5, quantilesMs: sketchQuantiles.map(() => 'slow') },
  ])('takes what cannot be one for nothing observed: %j', (json) => {
    expect(readDurations(json, prior)).toEqual(readDurations({}, prior));
  });

  test('is ascending whatever was observed', () => {
    const observed = fc.record({
      count: fc.nat(300),
      quantilesMs: fc
        .array(fc.nat(10_000_000), { minLength: 19, maxLength: 19 })
        .map((all) => all.toSorted((a, b) => a - b)),
    });
    fc.assert(
      fc.property(observed, fc.double({ min: 0, max: 1, noNaN: true }), (json, quantile) => {
        const sketch = readDurations(json, prior);
        expect(sketch.quantilesMs.every((ms, index) => ms >= (sketch.quantilesMs[index - 1] ?? 0))).toBe(true);
        expect(durationAt(sketch, quantile)).toBeGreaterThanOrEqual(durationAt(sketch, quantile / 2));
      }),
    );
  });
});

describe('what we add to a duration ourselves', () => {
  test('is what was observed, and nothing where that cannot be read', () => {
    expect(readOverhead({ count: 5, beforeMs: 120, afterMs: 900 })).toEqual({ beforeMs: 120, afterMs: 900 });
    const nothing = { beforeMs: 0, afterMs: 0 };
    for (const json of [undefined, null, 'none', {}, { beforeMs: null, afterMs: -3 }])
      expect(readOverhead(json)).toEqual(nothing);
  });

  test('lengthens every video by as much', () => {
    const sketch = sketchOf(even);
    expect(durationAt(lengthened(sketch, 500), 0.5)).toBe(durationAt(sketch, 0.5) + 500);
    expect(meanDuration(lengthened(sketch, 500))).toBeCloseTo(meanDuration(sketch) + 500);
  });
});
