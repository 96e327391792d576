import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { firstCheckDelayMs, lookMs, nextCheckDelayMs } from '../../src/domain/poll-schedule.ts';
import { makeTarget } from './make.ts';

test('the first poll comes when the callback is late, or halfway where nobody calls back', () => {
  expect(firstCheckDelayMs(makeTarget({ typicalMs: 60_000, callbacks: true }))).toBe(90_000);
  expect(firstCheckDelayMs(makeTarget({ typicalMs: 60_000, callbacks: false }))).toBe(30_000);
  expect(firstCheckDelayMs(makeTarget({ typicalMs: 333.3, callbacks: true }))).toBe(500);
});

test.each([
  [60_000, 1, 6_000],
  [60_000, 2, 9_000],
  [60_000, 3, 13_500],
  [60_000, 40, 25_000],
  [1_000, 1, 1_250],
])('a video of typically %i ms is polled, after poll %i, in about %i ms', (typicalMs, check, delayMs) => {
  expect(nextCheckDelayMs({ typicalMs }, check, 0.5)).toBe(delayMs);
});

test.each([
  [100, 200],
  [2_000, 200],
  [12_345, 1_235],
  [50_000, 5_000],
  [400_000, 5_000],
])('a look at a video of typically %i ms has %i ms to answer', (typicalMs, expected) => {
  expect(lookMs({ typicalMs })).toBe(expected);
});

const anyPoll = fc.record({
  typicalMs: fc.integer({ min: 1, max: 10_000_000 }),
  check: fc.integer({ min: 1, max: 2_000 }),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('no poll is closer than 1 s nor further than 30 s, however it is spread', () => {
  fc.assert(
    fc.property(anyPoll, random, ({ typicalMs, check }, spread) => {
      const delayMs = nextCheckDelayMs({ typicalMs }, check, spread);
      expect(delayMs).toBeGreaterThanOrEqual(1_000);
      expect(delayMs).toBeLessThanOrEqual(30_000);
    }),
  );
});

test('polls never get more frequent', () => {
  fc.assert(
    fc.property(anyPoll, ({ typicalMs, check }) => {
      expect(nextCheckDelayMs({ typicalMs }, check + 1, 0.5)).toBeGreaterThanOrEqual(
        nextCheckDelayMs({ typicalMs }, check, 0.5),
      );
    }),
  );
});
