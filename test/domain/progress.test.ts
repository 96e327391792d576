import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { progressPercent, retryAfterSeconds } from '../../src/domain/progress.ts';

test.each([
  [-5, 60_000, 0],
  [0, 60_000, 0],
  [30_000, 60_000, 40],
  [60_000, 60_000, 80],
  [120_000, 60_000, 94],
  [1e12, 60_000, 98],
  [30_000, 0, 0],
])('after %i ms of typically %i ms: %i %%', (elapsedMs, typicalMs, percent) => {
  expect(progressPercent(elapsedMs, typicalMs)).toBe(percent);
});

const duration = fc.double({ min: 0, max: 1e9, noNaN: true });

test('progress never goes back and never claims an end', () => {
  fc.assert(
    fc.property(duration, duration, fc.integer({ min: 1, max: 10_000_000 }), (one, other, typicalMs) => {
      const [early, late] = [Math.min(one, other), Math.max(one, other)].map((elapsedMs) =>
        progressPercent(elapsedMs, typicalMs),
      );
      expect(early).toBeLessThanOrEqual(late ?? 0);
      expect(late).toBeLessThanOrEqual(99);
      expect(Number.isInteger(late)).toBe(true);
    }),
  );
});

test.each([
  [0, 0, 2],
  [60, 0, 15],
  [3_600, 0, 60],
  [3_600, 0.999, 72],
])('with %i s to go a client should ask again (random %d) in %i s', (etaSeconds, random, expected) => {
  expect(retryAfterSeconds(etaSeconds, random)).toBe(expected);
});
