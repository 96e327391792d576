import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { intervalMs, isSpent, sound, startsLeft } from '../../src/domain/rate.ts';

const now = 5_000_000;
const anyRate = fc.record({
  perMinuteMax: fc.integer({ min: 1, max: 60_000 }),
  nextStartAt: fc.integer({ min: now - 100_000, max: now + 200_000 }),
});

test('the interval is the minute over the rate', () => {
  expect(intervalMs({ perMinuteMax: 1_200 })).toBe(50);
  expect(intervalMs({ perMinuteMax: 1 })).toBe(60_000);
});

describe('the starts that are left', () => {
  test('are those that fit into the horizon, the first one now', () => {
    expect(startsLeft({ perMinuteMax: 600, nextStartAt: 0 }, now)).toBe(5);
    expect(startsLeft({ perMinuteMax: 600, nextStartAt: now + limits.grantHorizonMs }, now)).toBe(1);
    expect(startsLeft({ perMinuteMax: 600, nextStartAt: now + limits.grantHorizonMs + 1 }, now)).toBe(0);
  });

  test('save up nothing while nobody starts', () => {
    const idle = startsLeft({ perMinuteMax: 600, nextStartAt: now - 3_600_000 }, now);
    expect(idle).toBe(startsLeft({ perMinuteMax: 600, nextStartAt: now }, now));
  });

  test('are as many as can be taken one after the other', () => {
    fc.assert(
      fc.property(anyRate, (rate) => {
        let { nextStartAt } = rate;
        let taken = 0;
        for (; !isSpent({ nextStartAt }, now); taken += 1) nextStartAt = Math.max(nextStartAt, now) + intervalMs(rate);
        // Where the last falls on the very edge of the horizon, a sum of fractions and a division round differently.
        const roomMs = now + limits.grantHorizonMs - Math.max(rate.nextStartAt, now);
        const isAtEdge = Math.abs(roomMs / intervalMs(rate) - Math.round(roomMs / intervalMs(rate))) < 1e-6;
        expect(Math.abs(startsLeft(rate, now) - taken)).toBeLessThanOrEqual(isAtEdge ? 1 : 0);
      }),
    );
  });
});

describe('a next start beyond all that granting writes', () => {
  test('is a clock that was set back: the rate begins now', () => {
    expect(sound({ perMinuteMax: 600, nextStartAt: now + 3_600_000 }, now).nextStartAt).toBe(now);
  });

  test('is never what a pass has left behind, whatever the rate', () => {
    fc.assert(
      fc.property(anyRate, fc.integer({ min: 0, max: 1_000 }), (given, laterMs) => {
        // Before a pass the next start lies within the horizon, or there is none.
        let rate = { ...given, nextStartAt: Math.min(given.nextStartAt, now + limits.grantHorizonMs) };
        while (!isSpent(rate, now)) rate = { ...rate, nextStartAt: Math.max(rate.nextStartAt, now) + intervalMs(rate) };
        expect(sound(rate, now + laterMs)).toBe(rate);
        // Nor if the clock has been slewed back by less than a second.
        expect(sound(rate, now - 1_000)).toBe(rate);
      }),
    );
  });

  test('is a second at most after the jump, however fast the rate', () => {
    const rate = { perMinuteMax: 60_000, nextStartAt: now + limits.grantHorizonMs + 1_003 };
    expect(sound(rate, now).nextStartAt).toBe(now);
  });
});
