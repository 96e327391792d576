import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Breaker } from '../../src/domain/breaker.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import {
  admits,
  type BreakerName,
  healthWord,
  healthy,
  judgeTarget,
  probingSince,
  readHealth,
  type TargetEvidence,
  type TargetHealth,
} from '../../src/domain/target-health.ts';
import { type Fate, live, type Moment, p95OfMinutes, pastMinutes, takesAMinute } from './toy-target.ts';

const seeds = [1, 4, 5];

/** Seconds from `from` until the breaker opens; infinite when it never does. */
function openedAfter(moments: readonly Moment[], breaker: BreakerName, fromMs = 0): number {
  const first = moments.find(({ at, health }) => at >= fromMs && health[breaker].state === 'open');
  return first === undefined ? Number.POSITIVE_INFINITY : (first.at - fromMs) / 1_000;
}

function openings(moments: readonly Moment[], breaker: BreakerName): number {
  return moments.filter(
    ({ health }, index) => health[breaker].state === 'open' && moments[index - 1]?.health[breaker].state !== 'open',
  ).length;
}

/** What a breaker went through, each state once as long as it lasts; half-open with its ramp. */
function story(moments: readonly Moment[], breaker: BreakerName): readonly (string | number)[] {
  const states = moments.map(({ health }) => {
    const { state, ramp } = health[breaker];
    return state === 'half_open' ? ramp : state;
  });
  return states.filter((state, index) => state !== states[index - 1]);
}

const healthyUntil = (ms: number, then: (at: number) => Fate) => (at: number, random: () => number) =>
  at < ms ? { takesMs: takesAMinute(random) } : then(at);

describe('the submit breaker', () => {
  test('opens within seconds when every POST fails, out of the best of health', () => {
    const moments = live({ perSecond: 2, fate: healthyUntil(300_000, () => ({ answer: 'bad' })) }, 320);
    expect(openedAfter(moments, 'submit', 300_000)).toBeLessThanOrEqual(7);
    expect(openedAfter(moments, 'outcome')).toBe(Number.POSITIVE_INFINITY);
  });

  test('opens at the third failure of a target of which nothing good is known', () => {
    const moments = live({ perSecond: 1, fate: () => ({ answer: 'bad' }) }, 10);
    expect(openedAfter(moments, 'submit')).toBeLessThanOrEqual(4);
  });

  test('opens when POSTs are not answered at all, before they run into their timeout', () => {
    const moments = live(
      { perSecond: 2, fate: healthyUntil(300_000, () => ({ answer: 'bad', answerMs: 30_000 })) },
      330,
    );
    expect(openedAfter(moments, 'submit', 300_000)).toBeLessThanOrEqual(15);
  });

  test('opens at once when the account is locked out, however much was accepted before', () => {
    const moments = live({ perSecond: 20, fate: healthyUntil(60_000, () => ({ answer: 'locked_out' })) }, 65);
    expect(openedAfter(moments, 'submit', 60_000)).toBeLessThanOrEqual(2);
  });

  test.each(seeds)('is not opened by a key that is refused now and then (seed %i)', (seed) => {
    const fate = (at: number): Fate => (at % 60_000 === 30_000 ? { answer: 'locked_out', answerMs: 400 } : {});
    const moments = live({ perSecond: 10, seed, fate }, 120);
    expect(openings(moments, 'submit')).toBe(0);
  });

  test('lets one failure of a quiet target pass', () => {
    const moments = live(
      { perSecond: 1, fate: (at) => (at === 5_000 ? { answer: 'bad' } : { answer: 'neutral' }) },
      60,
    );
    expect(openings(moments, 'submit')).toBe(0);
  });

  test('is not opened by a storm of refusals that are none of its fault', () => {
    const moments = live({ perSecond: 10, fate: () => ({ answer: 'neutral' }) }, 120);
    expect(moments.at(-1)?.health).toBe(healthy);
  });

  test('tries again with one, two and four, and closes within a minute of the recovery', () => {
    const broken = { answer: 'bad', answerMs: 100 } as const;
    const moments = live({ perSecond: 5, fate: (at) => (at < 200_000 ? broken : { answerMs: 100 }) }, 300);
    const recovered = moments.filter(({ at }) => at >= 200_000);
    expect(story(recovered, 'submit').slice(-4)).toEqual([1, 2, 4, 'closed']);
    const closed = recovered.find(({ health }) => health.submit.state === 'closed');
    expect(closed?.at).toBeLessThanOrEqual(260_000);
  });

  test('asks a target that stays dead with one job a pause, however many wait', () => {
    const moments = live({ perSecond: 10, fate: () => ({ answer: 'bad', answerMs: 100 }) }, 600);
    const submitted = moments.slice(10).reduce((sum, moment) => sum + moment.submitted, 0);
    // In half-open a probe that fails within the second makes room for another until the next judgement.
    expect(submitted).toBeLessThan(40 * 10);
    expect(openings(moments, 'submit')).toBeLessThan(20);
  });
});

describe('the outcome breaker', () => {
  test('opens within seconds when everything accepted fails', () => {
    const fate = healthyUntil(300_000, () => ({ takesMs: 2_000, end: 'bad' }));
    const moments = live({ perSecond: 2, past: pastMinutes(), fate }, 420);
    expect(openedAfter(moments, 'submit')).toBe(Number.POSITIVE_INFINITY);
    // Until then the videos of before still come, and count for it.
    expect(openedAfter(moments, 'outcome', 300_000)).toBeLessThanOrEqual(12);
  });

  const hang = healthyUntil(300_000, () => ({ takesMs: Number.POSITIVE_INFINITY }));
  const hangsWholly = (at: number, random: () => number): Fate => {
    const takesMs = takesAMinute(random);
    return { takesMs: at + takesMs > 300_000 ? Number.POSITIVE_INFINITY : takesMs };
  };

  test.each(seeds)('leaves a target that falls silent long before its p95 (seed %i)', (seed) => {
    const moments = live({ perSecond: 2, seed, past: pastMinutes(), fate: hangsWholly }, 400);
    expect(openedAfter(moments, 'outcome', 300_000)).toBeLessThanOrEqual(25);
  });

  test('leaves a target that hangs with new jobs only in its own time', () => {
    const moments = live({ perSecond: 2, past: pastMinutes(), fate: hang }, 500);
    const usualSeconds = p95OfMinutes / 1_000;
    expect(openedAfter(moments, 'outcome', 300_000)).toBeLessThanOrEqual(usualSeconds + 25);
  });

  test('leaves a target that hangs before patience is over also where only the catalogue knows it', () => {
    const moments = live({ perSecond: 2, fate: hangsWholly }, 500);
    expect(openedAfter(moments, 'outcome', 300_000)).toBeLessThanOrEqual(120);
  });

  test('leaves a small account that hangs when the first three are overdue', () => {
    const fate = (): Fate => ({ takesMs: Number.POSITIVE_INFINITY });
    const moments = live({ perSecond: 1, outstandingMax: 3, fate }, 300);
    expect(openedAfter(moments, 'outcome')).toBeLessThanOrEqual(120);
  });

  test.each(seeds)(
    'stays closed for jobs that are slow and finish, as slow as the slowest of before (seed %i)',
    (seed) => {
      const fate = (at: number, random: () => number): Fate => ({
        takesMs: at < 200_000 ? takesAMinute(random) : p95OfMinutes,
      });
      const moments = live({ perSecond: 2, seed, past: pastMinutes(), fate }, 400);
      expect(openings(moments, 'outcome')).toBe(0);
    },
  );

  test.each(seeds)('stays closed for bursts with nothing in between (seed %i)', (seed) => {
    const fate = (at: number, random: () => number): Fate =>
      at % 120_000 < 5_000 ? { takesMs: takesAMinute(random) } : { answer: 'neutral' };
    const moments = live({ perSecond: 10, seed, past: pastMinutes(), fate }, 480);
    expect(openings(moments, 'outcome')).toBe(0);
  });

  test.each(seeds)('stays closed where one in ten fails (seed %i)', (seed) => {
    const fate = (_: number, random: () => number): Fate => ({
      takesMs: takesAMinute(random),
      end: random() < 0.1 ? 'bad' : 'good',
    });
    const moments = live({ perSecond: 1, seed, past: pastMinutes(), fate }, 2_400);
    expect(openings(moments, 'outcome')).toBe(0);
  });

  test('is not opened by a storm of moderation at the end of jobs', () => {
    const moments = live({ perSecond: 5, fate: () => ({ takesMs: 5_000, end: 'neutral' }) }, 300);
    expect(openings(moments, 'outcome')).toBe(0);
  });

  test('is proven by completion: acceptance alone never closes it', () => {
    const fate = (): Fate => ({ takesMs: Number.POSITIVE_INFINITY });
    const moments = live({ perSecond: 2, past: pastMinutes(), fate }, 1_800);
    const first = moments.findIndex(({ health }) => health.outcome.state === 'open');
    expect(first).toBeGreaterThan(0);
    expect(moments.slice(first).map(({ health }) => health.outcome.state)).not.toContain('closed');
    expect(openings(moments, 'submit')).toBe(0);
  });

  test('ramps 1-2-4 on real jobs and closes when they are made', () => {
    const fate = (at: number): Fate => (at < 60_000 ? { takesMs: 1_000, end: 'bad' } : { takesMs: 20_000 });
    const moments = live({ perSecond: 5, fate }, 300);
    expect(story(moments, 'outcome').slice(-5)).toEqual(['open', 1, 2, 4, 'closed']);
  });

  test('takes the videos that come after all for proof, when what hung comes back to life', () => {
    const fate = (at: number): Fate => ({ takesMs: at < 500_000 ? 500_000 - at : 60_000 });
    const moments = live({ perSecond: 1, outstandingMax: 50, past: pastMinutes(), fate }, 900);
    const closed = moments.find(({ at, health }) => at > 500_000 && health.outcome.state === 'closed');
    expect(openings(moments.slice(0, 499), 'outcome')).toBeGreaterThan(0);
    // The pause that had begun, and no time for probes.
    expect(closed?.at).toBeLessThanOrEqual(500_000 + limits.outcomePauseMsMax);
  });

  test('is not opened anew by what was submitted before it recovered', () => {
    const fate = (at: number): Fate =>
      at < 60_000 ? { takesMs: 120_000, end: 'bad' } : at < 90_000 ? { takesMs: 500, end: 'bad' } : { takesMs: 5_000 };
    const moments = live({ perSecond: 5, fate }, 300);
    const closed = moments.findIndex(({ at, health }) => at > 100_000 && health.outcome.state === 'closed');
    expect(closed).toBeGreaterThan(0);
    expect(openings(moments.slice(closed), 'outcome')).toBe(0);
  });
});

test.each([
  { takes: 'a second', usualMs: 1_000, pauseMs: limits.submitPauseMsMax },
  { takes: 'a minute', usualMs: 60_000, pauseMs: limits.outcomePauseMsMax },
])('a target whose videos take $takes is left alone for $pauseMs ms at most', ({ usualMs, pauseMs }) => {
  const open: Breaker = { state: 'open', since: 1_000, from: 0, ramp: 1, openings: 50 };
  const judgedAfter = (ms: number) => {
    const { outcome, ...evidence } = seen({ now: open.since + ms });
    return judgeTarget({ ...healthy, outcome: open }, { ...evidence, outcome: { ...outcome, usualMs } }).outcome.state;
  };
  expect([judgedAfter(pauseMs - 1), judgedAfter(pauseMs)]).toEqual(['open', 'half_open']);
});

describe('a target that flaps', () => {
  const flaps = (at: number): Fate => (at % 60_000 < 30_000 ? { answer: 'bad', answerMs: 100 } : { answerMs: 100 });

  test('is paused for longer with each time that it opens, up to a bound', () => {
    const moments = live({ perSecond: 5, fate: () => ({ answer: 'bad', answerMs: 100 }) }, 400);
    const starts = moments.flatMap(({ at, health }, index) =>
      health.submit.state === 'half_open' && moments[index - 1]?.health.submit.state === 'open'
        ? [(at - (moments[index - 1]?.health.submit.since ?? 0)) / 1_000]
        : [],
    );
    expect(starts.slice(0, 6)).toEqual([5, 10, 20, 40, 40, 40]);
  });

  test('opens less and less often', () => {
    const moments = live({ perSecond: 5, fate: flaps }, 1_200);
    const half = moments.length / 2;
    expect(openings(moments.slice(half), 'submit')).toBeLessThanOrEqual(openings(moments.slice(0, half), 'submit'));
    expect(moments.at(-1)?.health.submit.openings).toBeGreaterThan(4);
  });

  test('has its past forgiven when it kept well for long enough', () => {
    const kept: Breaker = { state: 'closed', since: 1_000, from: 1_000, ramp: 4, openings: 9 };
    const judgedAfter = (ms: number) =>
      judgeTarget({ ...healthy, submit: kept }, failing({ now: kept.since + ms })).submit.openings;
    expect(judgedAfter(limits.breakerForgetMs - 1_000)).toBe(10);
    expect(judgedAfter(limits.breakerForgetMs)).toBe(1);
  });
});

describe('what a health admits', () => {
  const breaker = (changes: Partial<Breaker>): Breaker => ({ ...healthy.submit, ...changes });

  test('is anything, while both breakers are closed', () => {
    expect([admits(healthy), probingSince(healthy), healthWord(healthy)]).toEqual([null, null, 'healthy']);
  });

  test('is nothing as long as one of them is open', () => {
    const health = { submit: breaker({ state: 'half_open', ramp: 4, since: 5 }), outcome: breaker({ state: 'open' }) };
    expect([admits(health), healthWord(health)]).toEqual([0, 'failing']);
  });

  test('is the smaller ramp of two, counted from the later moment', () => {
    const health = {
      submit: breaker({ state: 'half_open', ramp: 4, since: 5 }),
      outcome: breaker({ state: 'half_open', ramp: 2, since: 9 }),
    };
    expect([admits(health), probingSince(health), healthWord(health)]).toEqual([2, 9, 'recovering']);
  });
});

describe('health as it is stored', () => {
  test('is read as it was written', () => {
    const moments = live({ perSecond: 5, fate: () => ({ answer: 'bad', answerMs: 100 }) }, 60);
    for (const { health } of moments) expect(readHealth(JSON.parse(JSON.stringify(health)))).toEqual(health);
  });

  test('counts as healthy where it cannot be read', () => {
    const openings: unknown[] = [
      null,
      'open',
      7,
      [],
      {},
      { submit: { state: 'open' } },
      { submit: { ...healthy.submit, ramp: 3 } },
    ];
    for (const json of openings) expect(readHealth(json)).toEqual(healthy);
  });

  test('never makes a health of anything else that judging could stumble over', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (submit, outcome) => {
        expect(readHealth({ submit, outcome })).toEqual(healthy);
      }),
    );
  });
});

/** Evidence with nothing in it but what is given. */
function seen(changes: Partial<TargetEvidence> & { now: number }): TargetEvidence {
  const nothing = { recent: { good: 0, bad: 0 }, all: { good: 0, bad: 0 }, late: 0 };
  return {
    submit: { ...nothing, accountRefusedAt: null, acceptedAt: null },
    outcome: { ...nothing, young: { good: 0, bad: 0 }, ended: 0, expected: 0, usualMs: 60_000 },
    ...changes,
  };
}

function failing({ now }: { now: number }): TargetEvidence {
  const { submit } = seen({ now });
  return seen({ now, submit: { ...submit, recent: { good: 0, bad: 9 }, all: { good: 0, bad: 9 } } });
}

const counts = fc.record({ good: fc.nat(20), bad: fc.nat(20) });
const evidenceParts = fc.record({ recent: counts, all: counts, late: fc.nat(5) });
const anyEvidence: fc.Arbitrary<Omit<TargetEvidence, 'now'>> = fc.record({
  submit: evidenceParts.map((parts) => ({ ...parts, accountRefusedAt: null, acceptedAt: null })),
  outcome: fc
    .tuple(evidenceParts, counts, fc.nat(20), fc.nat(20))
    .map(([parts, young, ended, expected]) => ({ ...parts, young, ended, expected, usualMs: 60_000 })),
});
const steps = fc.array(fc.tuple(fc.integer({ min: -5_000, max: 60_000 }), anyEvidence), { maxLength: 60 });

function judgeAll(evidence: readonly (readonly [number, Omit<TargetEvidence, 'now'>])[]): [TargetHealth, number] {
  return evidence.reduce<[TargetHealth, number]>(
    ([health, before], [pauseMs, parts]) => {
      const now = Math.max(before + pauseMs, 1);
      return [judgeTarget(health, { ...parts, now }), now];
    },
    [healthy, 1_000_000],
  );
}

describe('whatever is seen', () => {
  test('an open breaker admits nobody, and a half-open one never more than its ramp', () => {
    const bounds = { closed: () => Number.POSITIVE_INFINITY, open: () => 0, half_open: ({ ramp }: Breaker) => ramp };
    fc.assert(
      fc.property(steps, (evidence) => {
        const [health] = judgeAll(evidence);
        const most = [health.submit, health.outcome].map((breaker) => bounds[breaker.state](breaker));
        expect(admits(health) ?? Number.POSITIVE_INFINITY).toBe(Math.min(...most));
      }),
    );
  });

  test('a target is always tried again, at the latest after the longest pause', () => {
    fc.assert(
      fc.property(steps, (evidence) => {
        const [health, now] = judgeAll(evidence);
        const later = now + limits.outcomePauseMsMax;
        const judged = judgeTarget(health, seen({ now: later }));
        expect(admits(judged)).not.toBe(0);
      }),
    );
  });

  test('no more than the ramp is under way among probes, when half of them fail and the others hang', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 20 }), (seed, perSecond) => {
        const fate = (_: number, random: () => number): Fate =>
          random() < 0.5 ? { answer: 'bad', answerMs: 3_000 } : { takesMs: Number.POSITIVE_INFINITY };
        const probed = live({ perSecond, seed, fate }, 120).filter(({ health }) => probingSince(health) !== null);
        expect(
          probed.filter(({ probes, health }) => probes > Math.max(health.submit.ramp, health.outcome.ramp)),
        ).toEqual([]);
        expect(probed.length).toBeGreaterThan(0);
      }),
      { numRuns: 20 },
    );
  });
});

test('a clock that jumps back keeps nobody out', () => {
  const open = judgeTarget(healthy, failing({ now: 10_000_000 }));
  const back = judgeTarget(open, seen({ now: 1_000_000 }));
  expect(admits(back)).toBe(0);
  expect(admits(judgeTarget(back, seen({ now: 1_000_000 + limits.submitPauseMsMax })))).toBe(1);
});
