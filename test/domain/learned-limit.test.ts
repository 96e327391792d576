import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cut, type Dimension, grow, type LearnedLimit, openLimit } from '../../src/domain/learned-limit.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { readLimit } from '../../src/domain/read-limit.ts';
import { clockMinute, outstandingVendor, play, slidingMinute, tokenBucket } from './toy-vendor.ts';

const seeds = [1, 2, 3];
const minuteMs = 60_000;
const minuteLong = [30_000, 90_000] as const;

describe('where the real limit is a fifth of the configured one, at most 1 % is refused and nine tenths are in use', () => {
  test.each([20, 100, 1_000])('%i jobs at once', (real) => {
    for (const seed of seeds) {
      const vendor = outstandingVendor(() => real);
      const scene = { seed, dimension: 'outstanding', configured: real * 5, vendor, jobMs: minuteLong } as const;
      const { refusedShare, outstanding } = play({ ...scene, minutes: 30, warmUpMinutes: 3 });
      expect(refusedShare).toBeLessThanOrEqual(0.01);
      expect(outstanding / real).toBeGreaterThanOrEqual(0.9);
    }
  });

  test.each([60, 1_000])('%i starts in any minute, or in one of the clock', (real) => {
    for (const seed of seeds) {
      for (const vendor of [slidingMinute(() => real), clockMinute(() => real, seed * 17_000)]) {
        const scene = { seed, dimension: 'rate', configured: real * 5, vendor } as const;
        const { refusedShare, perMinute } = play({ ...scene, minutes: 40, warmUpMinutes: 10 });
        expect(refusedShare).toBeLessThanOrEqual(0.01);
        expect(perMinute / real).toBeGreaterThanOrEqual(0.9);
      }
    }
  });

  test('a bucket that is refilled every moment', () => {
    for (const seed of seeds) {
      const scene = { seed, dimension: 'rate', configured: 5_000, vendor: tokenBucket(1_000) } as const;
      const { refusedShare, perMinute } = play({ ...scene, minutes: 40, warmUpMinutes: 15 });
      expect(refusedShare).toBeLessThanOrEqual(0.01);
      expect(perMinute / 1_000).toBeGreaterThanOrEqual(0.9);
    }
  });

  // One refusal among so few starts is a per cent by itself, so the share is for the day.
  test('12 starts a minute', () => {
    const scene = { seed: 1, dimension: 'rate', configured: 60, vendor: slidingMinute(() => 12) } as const;
    const { refusedShare, perMinute } = play({ ...scene, minutes: 24 * 60, warmUpMinutes: 10 });
    expect(refusedShare).toBeLessThanOrEqual(0.01);
    expect(perMinute / 12).toBeGreaterThanOrEqual(0.9);
  });
});

describe('where the configured limit is right, it holds from the beginning and nothing is refused', () => {
  test.each([3, 100, 2_000, 5_000])('%i jobs at once', (configured) => {
    const vendor = outstandingVendor(() => configured);
    const scene = { seed: 1, dimension: 'outstanding', configured, vendor, jobMs: minuteLong } as const;
    const reach = moment(({ working }) => working === configured);
    expect(play({ ...scene, minutes: 5, onPass: reach.onPass }).refusedShare).toBe(0);
    expect(reach.at()).toBe(0);
  });

  test.each([5, 60, 600, 5_000])('%i starts a minute', (configured) => {
    // On the way to the vendor starts come closer together than they were granted: by a second at most.
    const counted = configured + Math.ceil(configured / 60) + 1;
    for (const vendor of [slidingMinute(() => counted), clockMinute(() => counted, 20_000)]) {
      expect(play({ seed: 1, dimension: 'rate', configured, vendor, minutes: 5 }).refusedShare).toBe(0);
    }
  });
});

describe('a limit that the vendor raises', () => {
  const raisedAt = 47 * minuteMs;

  test.each([20, 200])('is found within 20 minutes after long peace: %i jobs at once', (real) => {
    for (const seed of seeds) {
      const vendor = outstandingVendor((now) => (now < raisedAt ? real : real * 5));
      const reach = moment(({ working }, now) => now > raisedAt && working >= real * 4.5);
      const scene = { seed, dimension: 'outstanding', configured: real * 5, vendor, jobMs: minuteLong } as const;
      play({ ...scene, minutes: 70, onPass: reach.onPass });
      expect(reach.at() - raisedAt).toBeLessThanOrEqual(20 * minuteMs);
    }
  });

  test('is found within 50 minutes after long peace: 120 starts a minute', () => {
    for (const seed of seeds) {
      const vendor = clockMinute((now) => (now < raisedAt ? 120 : 600), 0);
      const reach = moment(({ working }, now) => now > raisedAt && working >= 540);
      play({ seed, dimension: 'rate', configured: 600, vendor, minutes: 100, onPass: reach.onPass });
      expect(reach.at() - raisedAt).toBeLessThanOrEqual(50 * minuteMs);
    }
  });

  test('is found within 5 minutes after it was lowered for five: an incident is no ceiling for the day', () => {
    const from = 20 * minuteMs;
    const until = from + 5 * minuteMs;
    const vendor = outstandingVendor((now) => (now >= from && now < until ? 200 : 1_000));
    const reach = moment(({ working }, now) => now > until && working >= 900);
    const scene = { seed: 1, dimension: 'outstanding', configured: 1_000, vendor, jobMs: minuteLong } as const;
    play({ ...scene, minutes: 35, onPass: reach.onPass });
    expect(reach.at() - until).toBeLessThanOrEqual(5 * minuteMs);
  });
});

test('a vendor whose refusals do not say which limit they mean is borne all the same, by its rate', () => {
  const vendor = outstandingVendor(() => 200);
  const scene = { seed: 1, dimension: 'rate', configured: 3_000, vendor, jobMs: minuteLong } as const;
  const { refusedShare, outstanding } = play({ ...scene, minutes: 40, warmUpMinutes: 10 });
  expect(refusedShare).toBeLessThanOrEqual(0.01);
  expect(outstanding / 200).toBeGreaterThanOrEqual(0.8);
});

describe('a refusal', () => {
  const now = 1_000_000;
  const full = { ...openLimit('outstanding', { configured: 100, now: 0 }), working: 100 };

  test('lowers once for all permits of its generation', () => {
    const first = cut(full, { grantedAt: now - 500, now, inUse: 99 });
    expect(first).toMatchObject({ working: 70, ceiling: 100, cutAt: now });
    for (const grantedAt of [now - 2_000, now - 1, now]) {
      expect(cut(first, { grantedAt, now: now + 50, inUse: 90 })).toBe(first);
    }
    expect(cut(first, { grantedAt: now + 1, now: now + 800, inUse: 69 }).working).toBe(49);
  });

  test('counts what was in use, and not what would have been allowed', () => {
    expect(cut(full, { grantedAt: now, now, inUse: 59 })).toMatchObject({ ceiling: 60, working: 42 });
  });

  test('of a quiet account leaves a third of the limit at least: it shows little of what the account bears', () => {
    expect(cut(full, { grantedAt: now, now, inUse: 0 })).toMatchObject({ ceiling: 50, working: 35 });
  });

  test('of what held for long costs little; a landslide follows it down', () => {
    const settled = { ...full, working: 100, held: 100, ceiling: 101 };
    const first = cut(settled, { grantedAt: now, now, inUse: 100 });
    expect(first).toMatchObject({ working: 95, held: 0, ceiling: 100 });
    expect(cut(first, { grantedAt: now + 1, now: now + 900, inUse: 95 })).toMatchObject({ working: 66, ceiling: 95 });
  });

  test('of a probe goes back to what held, and the next probe waits twice as long', () => {
    const probing = { ...full, working: 51, held: 50, ceiling: 51, probeDelayMs: 30_000 };
    const back = cut(probing, { grantedAt: now, now, inUse: 50 });
    expect(back).toMatchObject({ working: 50, held: 50, ceiling: 51, probeDelayMs: 60_000, growAt: now + 60_000 });
    const rare = cut({ ...probing, probeDelayMs: limits.learnedProbeDelayMsMax }, { grantedAt: now, now, inUse: 50 });
    expect(rare.probeDelayMs).toBe(limits.learnedProbeDelayMsMax);
  });

  test('of a rate pauses it until the vendor has forgotten what was too much', () => {
    const rate = { ...openLimit('rate', { configured: 1_000, now: 0 }), working: 1_000 };
    const first = cut(rate, { grantedAt: now, now, inUse: 1_000 });
    expect(first).toMatchObject({ working: 700, pausedUntil: now + 18_000 });
    // The vendor's minute is not over: no verdict on the lower rate.
    const second = cut(first, { grantedAt: now + 20_000, now: now + 21_000, inUse: 900 });
    expect(second).toMatchObject({ working: 700, cutAt: now, pausedUntil: now + 60_000 });
  });

  test('never lowers below one', () => {
    const least = cut({ ...full, working: 1 }, { grantedAt: now, now, inUse: 0 });
    expect(least).toMatchObject({ working: 1, ceiling: 1 });
  });
});

describe('Retry-After', () => {
  const now = 1_000_000;
  const full = { ...openLimit('rate', { configured: 100, now: 0 }), working: 100 };
  const refused = { grantedAt: now, now, inUse: 100 };

  test('stops all grants until then, and is a better word than a guess', () => {
    expect(cut(full, { ...refused, retryAfterMs: 2_000 }).pausedUntil).toBe(now + 2_000);
    expect(cut(full, { ...refused, retryAfterMs: null }).pausedUntil).toBe(now + 18_000);
  });

  test('counts of every refusal of a generation, but only a later moment', () => {
    const first = cut(full, { ...refused, retryAfterMs: 2_000 });
    expect(cut(first, { ...refused, retryAfterMs: 1_000 })).toBe(first);
    const later = cut(first, { ...refused, retryAfterMs: 9_000 });
    expect(later).toEqual({ ...first, pausedUntil: now + 9_000 });
  });

  test.each([
    [1e12, limits.retryAfterMsMax],
    [Number.POSITIVE_INFINITY, limits.retryAfterMsMax],
  ])('of %d ms is %d ms', (retryAfterMs, waitMs) => {
    expect(cut(full, { ...refused, retryAfterMs }).pausedUntil).toBe(now + waitMs);
  });

  test('of less than nothing is none', () => {
    const outstanding = { ...openLimit('outstanding', { configured: 100, now: 0 }), working: 100 };
    expect(cut(outstanding, { ...refused, retryAfterMs: -5_000 }).pausedUntil).toBe(now);
  });

  test('is waited out before anything grows', () => {
    const waiting = cut(full, { ...refused, retryAfterMs: 300_000 });
    const growth = { configured: 100, isUsedUp: true };
    expect(grow(waiting, { ...growth, now: now + 299_000 }).working).toBe(waiting.working);
  });
});

describe('growth', () => {
  const opened = { ...openLimit('outstanding', { configured: 1_000, now: 0 }), working: 10 };

  test('doubles while the limit is used up and nothing was refused: the operator has raised it', () => {
    const once = grow(opened, { configured: 1_000, now: 2_000, isUsedUp: true });
    expect(once.working).toBe(20);
    expect(grow(once, { configured: 1_000, now: 3_999, isUsedUp: true })).toBe(once);
    expect(grow(once, { configured: 1_000, now: 4_000, isUsedUp: true }).working).toBe(40);
  });

  test('waits for use: what nobody needs is not tried', () => {
    const idle = grow(opened, { configured: 1_000, now: 60_000, isUsedUp: false });
    expect(idle.working).toBe(10);
    expect(grow(idle, { configured: 1_000, now: 60_100, isUsedUp: true }).working).toBe(10);
    expect(grow(idle, { configured: 1_000, now: 62_000, isUsedUp: true }).working).toBe(20);
  });

  test('stops at the configured limit, and then returns what it got', () => {
    const last = grow({ ...opened, working: 900 }, { configured: 1_000, now: 2_000, isUsedUp: true });
    expect(last.working).toBe(1_000);
    expect(grow(last, { configured: 1_000, now: 1e9, isUsedUp: true })).toBe(last);
  });

  test('back to just below the ceiling goes by steps; there it waits for a probe', () => {
    const recovering = { ...opened, working: 90, ceiling: 100, growAt: 0 };
    const top = grow(recovering, { configured: 1_000, now: 1_000, isUsedUp: true });
    expect(top).toMatchObject({ working: 95, growAt: 1_000 + limits.learnedProbeDelayMsMin });
  });

  test('by probes is small below the ceiling, and doubles beyond it for as long as nothing is refused', () => {
    let limit: LearnedLimit = { ...opened, configured: 5_000, working: 950, ceiling: 1_000, growAt: 0 };
    const probe = (now: number) => {
      limit = grow(limit, { configured: 5_000, now, isUsedUp: true });
      return limit.working;
    };
    const levels = Array.from({ length: 9 }, (_, index) => probe(index * 3_000));
    expect(levels).toEqual([960, 970, 980, 990, 1_000, 1_010, 1_020, 1_040, 1_082]);
    expect(limit).toMatchObject({ held: 1_040, ceiling: 1_040 });
  });

  test('follows the operator at once', () => {
    const learned = { ...opened, working: 200, held: 200, ceiling: 201, growAt: 1e9 };
    expect(grow(learned, { configured: 50, now: 0, isUsedUp: false })).toMatchObject({ working: 50, held: 50 });
    const raised = grow(learned, { configured: 2_000, now: 5_000, isUsedUp: true });
    expect(raised).toMatchObject({ working: 200, ceiling: null });
    expect(grow(raised, { configured: 2_000, now: 7_000, isUsedUp: true }).working).toBe(400);
  });
});

describe('what was kept', () => {
  const growth = { configured: 100, now: 1_000_000 };
  const opened = openLimit('rate', growth);

  test('is read back as it was, through JSON', () => {
    const kept = cut({ ...opened, working: 80 }, { grantedAt: 1_000_001, now: 1_000_002, inUse: 80 });
    expect(readLimit(JSON.parse(JSON.stringify(kept)), 'rate', { configured: 100, now: 1_000_002 })).toEqual(kept);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['an empty object', {}],
    ['a text', 'working'],
    ['a list', [opened]],
    ['another dimension`s', { ...opened, dimension: 'outstanding' }],
    ['a limit of none', { ...opened, working: 0 }],
    ['half a job', { ...opened, working: 2.5 }],
    ['no number', { ...opened, cutAt: null }],
    ['more than configured', { ...opened, working: 101 }],
    ['a ceiling that is none', { ...opened, ceiling: 'high' }],
  ])('begins anew from %s', (_, json) => {
    expect(readLimit(json, 'rate', growth)).toEqual(opened);
  });

  test('is below what the operator says now', () => {
    expect(readLimit({ ...opened, working: 100 }, 'rate', { ...growth, configured: 7 }).working).toBe(7);
  });

  test('has no moments in a far future, whatever the clock has done', () => {
    const far = { ...opened, pausedUntil: 9e12, cutAt: 9e12, growAt: 9e12 };
    const { pausedUntil, cutAt, growAt } = readLimit(far, 'rate', growth);
    expect(pausedUntil).toBe(growth.now + limits.retryAfterMsMax);
    expect(cutAt).toBe(growth.now);
    expect(growAt).toBeLessThanOrEqual(pausedUntil + limits.learnedRateProbeDelayMsMax);
  });
});

describe('whatever happens', () => {
  const event = fc.record({
    afterMs: fc.integer({ min: 0, max: 100_000 }),
    configured: fc.option(fc.integer({ min: 1, max: 5_000 }), { freq: 4 }),
    refusedMsAgo: fc.option(fc.integer({ min: 0, max: 30_000 })),
    inUse: fc.integer({ min: 0, max: 6_000 }),
    retryAfterMs: fc.option(fc.integer({ min: -1_000, max: 2_000_000 })),
    isUsedUp: fc.boolean(),
  });
  const history = fc.array(event, { maxLength: 60 });
  const dimension = fc.constantFrom<Dimension>('outstanding', 'rate');

  test('the limit is whole, at least 1 and never above the configured one, and no pause is longer than allowed', () => {
    fc.assert(
      fc.property(dimension, history, (of, events) => {
        let now = 1_700_000_000_000;
        let configured = 100;
        let limit = openLimit(of, { configured, now });
        for (const { afterMs, refusedMsAgo, inUse, retryAfterMs, isUsedUp, ...changed } of events) {
          now += afterMs;
          configured = changed.configured ?? configured;
          limit = readLimit(JSON.parse(JSON.stringify(limit)), of, { configured, now });
          if (refusedMsAgo !== null) limit = cut(limit, { grantedAt: now - refusedMsAgo, now, inUse, retryAfterMs });
          limit = grow(limit, { configured, now, isUsedUp });
          expect(Number.isInteger(limit.working)).toBe(true);
          expect(limit.working).toBeGreaterThanOrEqual(1);
          expect(limit.working).toBeLessThanOrEqual(configured);
          expect(limit.pausedUntil).toBeLessThanOrEqual(now + limits.retryAfterMsMax);
          expect(limit.held).toBeLessThanOrEqual(configured);
          // It is kept as it is: nothing of it may get lost in JSON, or be taken for garbage.
          expect(readLimit(JSON.parse(JSON.stringify(limit)), of, { configured, now })).toEqual(limit);
        }
      }),
    );
  });

  test('a generation is cut once, in whatever order its refusals come', () => {
    const refusals = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(dimension, refusals, (of, msAgo) => {
        const now = 1_700_000_000_000;
        const before = { ...openLimit(of, { configured: 1_000, now: 0 }), working: 1_000 };
        const refused = (limit: LearnedLimit, ago: number) => cut(limit, { grantedAt: now - ago, now, inUse: 999 });
        expect(msAgo.reduce(refused, before).working).toBe(700);
      }),
    );
  });
});

/** Remembers the first pass after which something was true. */
function moment(isTrue: (limit: LearnedLimit, now: number) => boolean) {
  let found = Number.POSITIVE_INFINITY;
  return {
    at: () => found,
    onPass: (limit: LearnedLimit, now: number) => {
      if (found === Number.POSITIVE_INFINITY && isTrue(limit, now)) found = now;
    },
  };
}
