import { describe, expect, test } from 'vitest';
import { etaMsOf, forecastDrain, waitMsOf } from '../../src/domain/drain.ts';
import { type DurationSketch, meanDuration, sketchQuantiles } from '../../src/domain/durations.ts';
import { seeded } from '../support/seeded.ts';

const nothing = { granted: 0, spanMs: 0, error: 0 };

interface Vendor {
  readonly medianMs: number;
  readonly sigma: number;
}

function sampleMs({ medianMs, sigma }: Vendor, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return medianMs * Math.exp(sigma * normal);
}

function sketchOf(vendor: Vendor): DurationSketch {
  const random = seeded(99);
  const made = Array.from({ length: 4_000 }, () => sampleMs(vendor, random)).toSorted((a, b) => a - b);
  const quantilesMs = sketchQuantiles.map((quantile) => made[Math.floor(quantile * made.length)] ?? 0);
  return { observed: 300, quantilesMs, longestMs: 100 * vendor.medianMs };
}

interface Pool {
  readonly slots: number;
  readonly perMinuteMax: number;
  readonly vendor: Vendor;
}

/** Serves so many in order, and says when each was started and made. */
function serve({ slots, perMinuteMax, vendor }: Pool, { count, seed }: { count: number; seed: number }) {
  const random = seeded(seed);
  const freeAt = Array.from({ length: slots }, () => 0);
  let nextStartAt = 0;
  return Array.from({ length: count }, () => {
    const slot = freeAt.indexOf(Math.min(...freeAt));
    const startAt = Math.max(freeAt[slot] ?? 0, nextStartAt);
    const doneAt = startAt + sampleMs(vendor, random);
    nextStartAt = startAt + 60_000 / perMinuteMax;
    freeAt[slot] = doneAt;
    return { startAt, doneAt };
  });
}

const usual: Vendor = { medianMs: 60_000, sigma: 0.25 };
const steady: Vendor = { medianMs: 2_000, sigma: 0.05 };

describe('the share of jobs that are made by their p80', () => {
  test.each<[string, Pool, number]>([
    ['a pool that is filled at once', { slots: 20, perMinuteMax: 60_000, vendor: usual }, 0],
    ['the same, minutes later', { slots: 20, perMinuteMax: 60_000, vendor: usual }, 200_000],
    ['a pool that is held by its rate', { slots: 100, perMinuteMax: 30, vendor: usual }, 30_000],
    ['videos that all take the same, in waves', { slots: 50, perMinuteMax: 60_000, vendor: steady }, 1_000],
    ['one slot', { slots: 1, perMinuteMax: 600, vendor: usual }, 100_000],
    ['a pool that is filled by and by', { slots: 60, perMinuteMax: 90, vendor: usual }, 70_000],
  ])('is about four fifths: %s', (_name, pool, askedAt) => {
    const sketch = sketchOf(pool.vendor);
    let [kept, asked] = [0, 0];
    for (let seed = 1; seed <= 60; seed += 1) {
      const jobs = serve(pool, { count: 400, seed });
      const begun = jobs.filter(({ startAt }) => startAt <= askedAt && askedAt > 0);
      const underWay = begun
        .filter(({ doneAt }) => doneAt > askedAt)
        .map(({ startAt }) => ({ ageMs: askedAt - startAt, count: 1 }));
      const { slots, perMinuteMax } = pool;
      // As after hours in which the line drained as it was to be expected.
      const perMs = Math.min(slots / meanDuration(sketch), perMinuteMax / 60_000);
      const observed = { granted: perMs * 36_000_000, spanMs: 36_000_000, error: 0 };
      const forecast = forecastDrain({ slots, perMinuteMax, underWay, sketch, observed });
      if (forecast === null) throw new Error('no forecast');
      jobs.slice(begun.length).forEach(({ doneAt }, index) => {
        // A few of each pool: those of one pool share their fate.
        if (index % 23 !== 5) return;
        asked += 1;
        if (doneAt <= askedAt + etaMsOf(forecast, { position: index + 1, sketch })) kept += 1;
      });
    }
    expect(kept / asked).toBeGreaterThan(0.75);
    expect(kept / asked).toBeLessThan(0.9);
  });
});

describe('a forecast', () => {
  const sketch = sketchOf(usual);
  const pool = { slots: 100, perMinuteMax: 60_000, underWay: [], sketch, observed: nothing };

  test('grants in waves after a pool was filled at once', () => {
    const forecast = forecastDrain(pool);
    if (forecast === null) throw new Error('no forecast');
    expect(waitMsOf(forecast, 100)).toBeLessThan(3_500);
    expect(waitMsOf(forecast, 101)).toBeGreaterThan(25_000);
    expect(waitMsOf(forecast, 190)).toBeGreaterThan(60_000);
    // Far ahead: a hundred slots, a minute each.
    expect(waitMsOf(forecast, 10_000) / 60_000).toBeCloseTo(100, -1);
  });

  test('never goes back, and ends beyond its curve too', () => {
    const forecast = forecastDrain({ ...pool, slots: 3 });
    if (forecast === null) throw new Error('no forecast');
    const waits = Array.from({ length: 500 }, (_, index) => waitMsOf(forecast, index + 1));
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits.every(Number.isFinite)).toBe(true);
  });

  test('is stretched by what was observed, the more the longer', () => {
    const waitOf = (observed: { granted: number; spanMs: number }) => {
      const forecast = forecastDrain({ ...pool, observed: { ...observed, error: 0 } });
      return forecast === null ? Number.NaN : waitMsOf(forecast, 5_000);
    };
    const unobserved = waitOf(nothing);
    // Half of what a hundred slots and a minute promise.
    const briefly = waitOf({ granted: 25, spanMs: 30_000 });
    const long = waitOf({ granted: 500, spanMs: 600_000 });
    expect(briefly).toBeGreaterThan(unobserved);
    expect(long).toBeGreaterThan(briefly);
    expect(long / unobserved).toBeGreaterThan(1.4);
    expect(long / unobserved).toBeLessThan(2.1);
  });

  test('holds for videos that all take exactly the same, and for ones that are overdue', () => {
    const constant = { observed: 300, quantilesMs: sketchQuantiles.map(() => 2_000), longestMs: 9_000 };
    const underWay = [
      { ageMs: 1_000, count: 4 },
      { ageMs: 60_000, count: 6 },
    ];
    const forecast = forecastDrain({ ...pool, slots: 10, underWay, sketch: constant });
    if (forecast === null) throw new Error('no forecast');
    expect(etaMsOf(forecast, { position: 10, sketch: constant })).toBeLessThan(8_000);
    expect(etaMsOf(forecast, { position: 110, sketch: constant })).toBeGreaterThan(18_000);
  });

  test('is nothing where no slot will ever be free', () => {
    expect(forecastDrain({ ...pool, slots: 0 })).toBeNull();
  });
});
