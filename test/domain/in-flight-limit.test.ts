import { expect, test } from 'vitest';
import { nextInFlightLimit } from '../../src/domain/in-flight-limit.ts';
import { limits } from '../../src/domain/limits/limits.ts';

/** The limit after so many samples of one kind. */
function after(samples: number, { lagMs, from }: { lagMs: number; from: number }): number {
  let limit = from;
  for (let sample = 0; sample < samples; sample += 1) limit = nextInFlightLimit(limit, { lagMs, elapsedMs: 200 });
  return limit;
}

test('a process that is a little late takes on a little less, and one that is very late half as much', () => {
  expect(after(1, { lagMs: 40, from: limits.inFlightMax })).toBe(limits.inFlightMax * 0.75);
  expect(after(1, { lagMs: 5_000, from: limits.inFlightMax })).toBe(limits.inFlightMax / 2);
});

test('one that stays late takes on little within a second, and never nothing', () => {
  expect(after(3, { lagMs: 100, from: limits.inFlightMax })).toBe(limits.inFlightMin);
  expect(after(1_000, { lagMs: 100, from: limits.inFlightMax })).toBe(limits.inFlightMin);
});

test('it has all its room again within three seconds, and no more than that', () => {
  expect(after(15, { lagMs: 0, from: limits.inFlightMin })).toBe(limits.inFlightMax);
  expect(after(100, { lagMs: 0, from: limits.inFlightMin })).toBe(limits.inFlightMax);
});
