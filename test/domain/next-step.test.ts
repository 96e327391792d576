import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../src/domain/failure.ts';
import { heard } from '../../src/domain/heard.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { nextStep, type Step } from '../../src/domain/next-step.ts';
import { lookMs } from '../../src/domain/poll-schedule.ts';
import { type Route, runBudgetMs } from '../../src/domain/route.ts';
import {
  type Fact,
  isLive,
  type KnownAttempt,
  openStory,
  type StoreAnswer,
  type Story,
  targetOf,
  type TicketStory,
} from '../../src/domain/story.ts';
import {
  copying,
  failed,
  finished,
  kept,
  live,
  makeTarget,
  oneTarget,
  permit,
  refused,
  reported,
  start,
  stored,
  storeFailed,
  storing,
  storyOf,
  submitted,
  submitting,
  threeTargets,
  type Told,
  twoTargets,
} from './make.ts';

const patienceMs = 120_000;
const checkMs = 90_000;
const deadlineOf = (route: Route): number => start + runBudgetMs(route);
const queued = (attempt: number, target: number, kind: TicketStory['kind'] = 'retry'): Fact => ({
  kind: 'ticket',
  ticket: { attempt, target, kind },
  answer: 'queued',
});
const watching = (attempt = 1): Fact => ({ kind: 'watching', attempt });
const settleCompleted = (attempt: number): Step => ({ kind: 'settle', verdict: { phase: 'completed', attempt } });
const settleFailed = (...failure: Parameters<typeof failureOf>): Step => ({
  kind: 'settle',
  verdict: { phase: 'failed', failure: failureOf(...failure) },
});

/** As many attempts at one target, each of which ended with the same failure. */
function failures(count: number, ...failure: Parameters<typeof failureOf>): readonly Told[] {
  return Array.from({ length: count }, (_, index): readonly Told[] => [
    [permit(index + 1, 0)],
    [submitting(index + 1)],
    [refused(index + 1, ...failure)],
  ]).flat();
}

describe('one attempt at a time', () => {
  test('without a permit there is nothing to do and nothing to time', () => {
    expect(nextStep(storyOf(oneTarget), start)).toEqual({ kind: 'wait', untilMs: null });
  });

  test('a first permit is sent', () => {
    expect(nextStep(storyOf(oneTarget, [permit()]), start)).toMatchObject({
      kind: 'submit',
      attempt: { number: 1, grant: 'g1' },
    });
  });

  test('a permit that comes hours later is sent all the same', () => {
    const later = start + 5 * 3_600_000;
    expect(nextStep(storyOf(oneTarget, [permit(), later]), later)).toMatchObject({ kind: 'submit' });
  });

  test('while only the POST is under way there is no timer', () => {
    expect(nextStep(storyOf(oneTarget, [permit()], [submitting()]), start)).toEqual({ kind: 'wait', untilMs: null });
  });

  test('a permit that is delivered twice is sent once', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [permit()]);
    expect(nextStep(story, start)).toEqual({ kind: 'wait', untilMs: null });
  });

  test('an accepted one waits for its callback until that is late', () => {
    expect(nextStep(storyOf(oneTarget, ...live()), start)).toEqual({ kind: 'wait', untilMs: start + checkMs });
  });

  test('without callbacks the poll starts at half the typical duration', () => {
    const route = [makeTarget({ callbacks: false })];
    expect(nextStep(storyOf(route, ...live()), start)).toEqual({ kind: 'wait', untilMs: start + 30_000 });
  });

  test('the poll starts when the callback is late, and not again while it goes on', () => {
    const story = storyOf(oneTarget, ...live());
    expect(nextStep(story, start + checkMs)).toMatchObject({ kind: 'watch', attempt: { number: 1 } });
    const watched = heard(story, watching(), start + checkMs);
    expect(nextStep(watched, start + checkMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(oneTarget) });
  });

  test('a poll that finds the provider`s own queue is repeated', () => {
    const at = start + checkMs;
    const story = storyOf(oneTarget, ...live(), [watching(), at], [reported(1, { outcome: 'queued' }), at]);
    expect(nextStep(story, at)).toEqual({ kind: 'wait', untilMs: at + 60_000 });
  });

  test('a hint starts the poll at once', () => {
    const story = storyOf(oneTarget, ...live(), [{ kind: 'hint', attempt: 1 }, start + 5]);
    expect(nextStep(story, start + 5)).toMatchObject({ kind: 'watch' });
  });

  test('an unknown one is looked for soon', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'unknown'), start + 1_000]);
    expect(nextStep(story, start + 1_000)).toEqual({ kind: 'wait', untilMs: start + 5_000 });
    expect(nextStep(story, start + 5_000)).toMatchObject({ kind: 'watch' });
  });

  test.each([
    ['from the callback', [...live(), [finished()]]],
    ['before the answer of its submit', [[permit()], [submitting()], [finished()]]],
    ['after an unknown submit: adopted', [[permit()], [submitting()], [submitted(1, 'unknown')], [finished()]]],
  ] as const)('a video %s is copied, and completes the job once it is ours', (_, facts) => {
    const story = storyOf(oneTarget, ...facts);
    expect(nextStep(story, start)).toMatchObject({ kind: 'store', attempt: { number: 1 } });
    expect(nextStep(heard(heard(story, storing(), start), stored(), start), start)).toEqual(settleCompleted(1));
  });
});

describe('while a video is being copied', () => {
  const impatient: Route = threeTargets.map((target) => ({ ...target, patienceMs: 70_000 }));
  const late = start + 10 * patienceMs;
  const nothing: Step = { kind: 'wait', untilMs: null };

  test('there is nothing to do and nothing to time: the copy has a deadline of its own', () => {
    expect(nextStep(storyOf(oneTarget, ...live(), ...copying()), start)).toEqual(nothing);
  });

  test.each<{ what: string; facts: readonly Told[] }>([
    { what: 'a sibling is late: it is not overlapped', facts: [...live(), [watching()], ...live(2), ...copying(2)] },
    { what: 'a sibling was never asked for: it is not polled', facts: [...live(), ...live(2), ...copying(2)] },
    { what: 'a sibling fails: no retry is queued', facts: [...live(), ...live(2), ...copying(2), [failed(1, 'auth')]] },
    {
      what: 'the request was found at fault',
      facts: [...live(), ...live(2), ...copying(2), [failed(1, 'moderation')]],
    },
    {
      what: 'a permit comes: nothing is sent',
      facts: [...live(), [queued(2, 1, 'overlap')], ...copying(), [permit(2)]],
    },
    {
      what: 'its place in line went: there is none to change',
      facts: [...live(), [queued(2, 1, 'overlap')], ...copying()],
    },
    {
      what: 'its own end is told again',
      facts: [...live(), ...copying(), [finished()], [failed(1, 'provider_failed')]],
    },
    { what: 'somebody hints at it', facts: [...live(), ...copying(), [{ kind: 'hint', attempt: 1 }]] },
  ])('and $what', ({ facts }) => {
    expect(nextStep(storyOf(impatient, ...facts), late)).toEqual(nothing);
  });

  test('a second one that has finished waits its turn, and has it when the first copy fails', () => {
    const story = storyOf(twoTargets, ...live(), [watching()], ...live(2), ...copying(2), [finished(1)]);
    expect(nextStep(story, start)).toEqual(nothing);
    const first = heard(story, storeFailed(2, 'output_expired'), start);
    expect(nextStep(first, start)).toMatchObject({ kind: 'store', attempt: { number: 1 } });
    const both = heard(heard(first, storing(1), start), stored(1), start);
    expect(nextStep(both, start)).toEqual(settleCompleted(1));
  });

  test('a second one that has finished is of no use once the first is ours', () => {
    const story = storyOf(twoTargets, ...live(), ...live(2), ...copying(2), [finished(1)], [stored(2)]);
    expect(nextStep(story, start)).toEqual(settleCompleted(2));
  });

  test.each<{ what: string; story: Story; expected: object }>([
    {
      what: 'is gone for good: the next target makes another',
      story: storyOf(twoTargets, ...live(), ...copying(), [storeFailed(1, 'output_expired')]),
      expected: { kind: 'queue', ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 0 },
    },
    {
      what: 'is gone for good and there is nobody else: the job fails for it',
      story: storyOf(oneTarget, ...live(), ...copying(), [storeFailed(1, 'output_expired')]),
      expected: settleFailed('output_expired'),
    },
    {
      what: 'was not copied in time: nobody buys another',
      story: storyOf(twoTargets, ...live(), ...copying(), [storeFailed(1, 'timed_out', { retry: 'never' })]),
      expected: settleFailed('timed_out', { retry: 'never' }),
    },
    {
      what: 'is gone for good, and its place in line went with the copy: it is asked for anew',
      story: storyOf(twoTargets, ...live(), [queued(2, 1)], ...copying(), [storeFailed(1, 'output_expired')]),
      expected: { kind: 'queue', ticket: { attempt: 3, target: 1, kind: 'retry' }, waitMs: 0 },
    },
    {
      what: 'is gone for good, and a permit went back for it: its target is asked for anew',
      story: storyOf(twoTargets, ...live(), [queued(2, 1, 'overlap')], [permit(2)], ...copying(), [
        storeFailed(1, 'output_expired'),
      ]),
      expected: { kind: 'queue', ticket: { attempt: 3, target: 1, kind: 'retry' }, waitMs: 0 },
    },
    {
      what: 'is gone for good, and a permit had been on its way: it is of no use any more',
      story: storyOf(
        twoTargets,
        ...live(),
        [queued(2, 1, 'overlap')],
        ...copying(),
        [permit(2)],
        [storeFailed(1, 'output_expired')],
      ),
      expected: { kind: 'queue', ticket: { attempt: 3, target: 1, kind: 'retry' }, waitMs: 0 },
    },
    {
      what: 'is gone for good, and that permit comes even later: it is not taken for the new one',
      story: storyOf(
        twoTargets,
        ...live(),
        [queued(2, 1, 'overlap')],
        ...copying(),
        [storeFailed(1, 'output_expired')],
        [queued(3, 1)],
        [permit(2)],
      ),
      expected: { kind: 'wait', untilMs: deadlineOf(twoTargets) },
    },
    {
      what: 'is gone for good, and a sibling is still at work: it is waited for',
      story: storyOf(twoTargets, ...live(), [watching()], ...live(2), ...copying(2), [
        storeFailed(2, 'output_expired'),
      ]),
      expected: { kind: 'wait', untilMs: deadlineOf(twoTargets) },
    },
    {
      what: 'is nobody’s business any more: only the verdict is asked for',
      story: storyOf(oneTarget, ...live(), ...copying(), [
        { kind: 'stored', attempt: 1, answer: { kind: 'job_final' } },
      ]),
      expected: { kind: 'settle' },
    },
  ])('and it $what', ({ story, expected }) => {
    expect(nextStep(story, start)).toMatchObject(expected);
  });
});

describe('after a failure', () => {
  test('429: the same target, at the head of the line, after the vendor`s Retry-After', () => {
    const story = storyOf(twoTargets, ...failures(1, 'rate_limited', { retryAfterMs: 7_000 }));
    expect(nextStep(story, start)).toEqual({
      kind: 'queue',
      ticket: { attempt: 2, target: 0, kind: 'retry' },
      waitMs: 7_000,
    });
  });

  test('a Retry-After of hours is capped', () => {
    const story = storyOf(oneTarget, ...failures(1, 'rate_limited', { retryAfterMs: 9e9 }));
    expect(nextStep(story, start)).toMatchObject({ waitMs: limits.retryAfterMsMax });
  });

  test.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [7, 60_000],
  ])('429 number %i without Retry-After waits %i ms', (count, waitMs) => {
    const story = storyOf(oneTarget, ...failures(count, 'rate_limited'));
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { attempt: count + 1, target: 0 }, waitMs });
  });

  test('the eighth 429 moves on to an untried target, at once', () => {
    const story = storyOf(
      twoTargets,
      ...failures(limits.rateLimitedTriesOfTargetMax, 'rate_limited', { retryAfterMs: 7_000 }),
    );
    expect(nextStep(story, start)).toEqual({
      kind: 'queue',
      ticket: { attempt: 9, target: 1, kind: 'retry' },
      waitMs: 0,
    });
  });

  test('the eighth 429 stays in line where there is nobody else', () => {
    const story = storyOf(oneTarget, ...failures(limits.rateLimitedTriesOfTargetMax, 'rate_limited'));
    expect(nextStep(story, start)).toEqual({
      kind: 'queue',
      ticket: { attempt: 9, target: 0, kind: 'retry' },
      waitMs: 60_000,
    });
  });

  test('an unreachable provider is tried three times', () => {
    const { unreachableTriesOfTargetMax: tries } = limits;
    expect(nextStep(storyOf(twoTargets, ...failures(tries - 1, 'unreachable')), start)).toMatchObject({
      ticket: { target: 0 },
    });
    expect(nextStep(storyOf(twoTargets, ...failures(tries, 'unreachable')), start)).toMatchObject({
      ticket: { target: 1 },
    });
    expect(nextStep(storyOf(oneTarget, ...failures(tries, 'unreachable')), start)).toEqual(settleFailed('unreachable'));
  });

  test('a failed video is tried once more, then elsewhere, then no more', () => {
    expect(nextStep(storyOf(twoTargets, ...failures(1, 'provider_failed')), start)).toMatchObject({
      ticket: { target: 0 },
      waitMs: 1_000,
    });
    const twice = failures(2, 'provider_failed');
    expect(nextStep(storyOf(twoTargets, ...twice), start)).toMatchObject({ ticket: { target: 1 }, waitMs: 0 });
    expect(nextStep(storyOf(oneTarget, ...twice), start)).toEqual(settleFailed('provider_failed'));
  });

  test('tries are counted by target and by cause', () => {
    const story = storyOf(twoTargets, ...failures(1, 'provider_failed'), ...live(2, { target: 0 }), [
      failed(2, 'rate_limited'),
    ]);
    expect(nextStep(story, start)).toMatchObject({ ticket: { attempt: 3, target: 0 }, waitMs: 1_000 });
  });

  test('`elsewhere` goes to the next target at once, and the route`s end is the last failure', () => {
    expect(nextStep(storyOf(twoTargets, ...live(), [failed(1, 'no_credit')]), start)).toEqual({
      kind: 'queue',
      ticket: { attempt: 2, target: 1, kind: 'retry' },
      waitMs: 0,
    });
    expect(nextStep(storyOf(oneTarget, ...live(), [failed(1, 'no_credit')]), start)).toEqual(settleFailed('no_credit'));
  });

  test('an unknown submit that policy lets send again goes to the same target', () => {
    const lost = failed(1, 'ambiguous_submit', { retry: 'same' });
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'unknown')], [lost]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, target: 0 } });
  });

  test('`never` fails the job now, whatever targets are left', () => {
    expect(nextStep(storyOf(threeTargets, ...live(), [failed(1, 'moderation')]), start)).toEqual(
      settleFailed('moderation'),
    );
  });

  test('`never` sends no permit that comes with it', () => {
    const story = storyOf(twoTargets, ...live(), [queued(2, 1, 'overlap')], [permit(2)], [failed(1, 'moderation')]);
    expect(nextStep(story, start)).toEqual(settleFailed('moderation'));
  });

  test('a permit that was lost before the POST asks for its target again', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'permit_lost')]);
    expect(nextStep(story, start)).toEqual({
      kind: 'queue',
      ticket: { attempt: 2, target: 0, kind: 'retry' },
      waitMs: 0,
    });
  });

  test('while its ticket waits the run deadline is all there is to time', () => {
    const story = storyOf(twoTargets, ...live(), [failed(1, 'auth')], [queued(2, 1)]);
    expect(nextStep(story, start)).toEqual({ kind: 'wait', untilMs: deadlineOf(twoTargets) });
  });

  test('no job has more attempts than the limit', () => {
    const story = storyOf(oneTarget, ...failures(limits.attemptsOfJobMax, 'rate_limited'));
    expect(nextStep(story, start)).toEqual(settleFailed('rate_limited'));
  });

  test('permits that are lost for ever end too', () => {
    const facts = Array.from({ length: limits.attemptsOfJobMax }, (_, index): readonly Told[] => [
      [permit(index + 1, 0)],
      [submitted(index + 1, 'permit_lost')],
    ]).flat();
    expect(nextStep(storyOf(oneTarget, ...facts), start)).toEqual(settleFailed('no_target_left'));
  });
});

describe('a target that the job may not pay any more', () => {
  const tooDear = (attempt: number, target: number, kind: TicketStory['kind'] = 'retry'): Fact => ({
    kind: 'ticket',
    ticket: { attempt, target, kind },
    answer: 'too_dear',
  });
  const failedOnce: readonly Told[] = [...live(), [failed(1, 'provider_failed', { retry: 'elsewhere' })]];

  test('is passed over for the next one', () => {
    const story = storyOf(threeTargets, ...failedOnce, [tooDear(2, 1)]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, target: 2 } });
  });

  test('ends the job with its last failure, where there is no other', () => {
    const story = storyOf(twoTargets, ...failedOnce, [tooDear(2, 1)]);
    expect(nextStep(story, start)).toEqual(settleFailed('provider_failed', { retry: 'elsewhere' }));
  });

  test('is not tried again for the failure that would permit it', () => {
    const story = storyOf(oneTarget, ...live(), [failed(1, 'provider_failed', { retry: 'same' })], [tooDear(2, 0)]);
    expect(nextStep(story, start)).toEqual(settleFailed('provider_failed', { retry: 'same' }));
  });

  test('is not asked for a second time beside the live attempt, and is once that has failed', () => {
    const late = start + patienceMs + 60_000;
    const watched: readonly Told[] = [...live(), [watching(), start + patienceMs]];
    const dear = storyOf(twoTargets, ...watched, [tooDear(2, 1, 'overlap'), late]);
    expect(nextStep(storyOf(twoTargets, ...watched), late)).toMatchObject({
      kind: 'queue',
      ticket: { kind: 'overlap' },
    });
    expect(nextStep(dear, late)).toMatchObject({ kind: 'wait' });
    const free = heard(dear, failed(1, 'provider_failed', { retry: 'elsewhere' }), late);
    expect(nextStep(free, late)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, target: 1, kind: 'retry' } });
  });
});

describe('patience', () => {
  const impatient: Route = [makeTarget({ patienceMs: 70_000 }), makeTarget({ name: 'vendor/two' })];
  const overlap: Step = { kind: 'queue', ticket: { attempt: 2, target: 1, kind: 'overlap' }, waitMs: 0 };

  test('is the nearest moment where it ends before the first poll', () => {
    expect(nextStep(storyOf(impatient, ...live()), start)).toEqual({ kind: 'wait', untilMs: start + 70_000 });
  });

  test('over: the next target may try as well', () => {
    const story = storyOf(twoTargets, ...live(), [watching()]);
    expect(nextStep(story, start + patienceMs - 1)).toEqual({ kind: 'wait', untilMs: start + patienceMs });
    expect(nextStep(story, start + patienceMs)).toEqual(overlap);
  });

  test('counts from the POST when its answer is unknown', () => {
    const story = storyOf(
      twoTargets,
      [permit()],
      [submitting()],
      [submitted(1, 'unknown'), start + 50_000],
      [watching()],
    );
    expect(nextStep(story, start + patienceMs)).toEqual(overlap);
  });

  test('counts anew from when the provider`s own queue was last seen', () => {
    const at = start + checkMs;
    const story = storyOf(twoTargets, ...live(), [reported(1, { outcome: 'queued' }), at], [watching()]);
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: at + patienceMs });
  });

  test('does not end while a POST is under way', () => {
    const story = storyOf(
      threeTargets,
      ...live(),
      [watching()],
      [queued(2, 1, 'overlap')],
      [permit(2)],
      [submitting(2)],
    );
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(threeTargets) });
  });

  test('asks for one ticket at a time', () => {
    const story = storyOf(threeTargets, ...live(), [watching()], [queued(2, 1, 'overlap')]);
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(threeTargets) });
  });

  test('the third target is tried when both others are late', () => {
    const second = start + patienceMs;
    const story = storyOf(threeTargets, ...live(), [watching()], ...live(2, { at: second }), [watching(2), second]);
    expect(nextStep(story, second)).toEqual({ kind: 'wait', untilMs: second + patienceMs });
    expect(nextStep(story, second + patienceMs)).toMatchObject({
      kind: 'queue',
      ticket: { attempt: 3, target: 2, kind: 'overlap' },
    });
  });

  test('has no end where there is nobody else', () => {
    const story = storyOf(oneTarget, ...live(), [watching()]);
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(oneTarget) });
  });

  test('sends a faulty request to nobody else', () => {
    const story = storyOf(threeTargets, ...live(), [watching()], ...live(2), [failed(2, 'moderation')]);
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(threeTargets) });
  });

  test('ends for no job with as many attempts as the limit', () => {
    const last = limits.attemptsOfJobMax;
    const story = storyOf(twoTargets, ...failures(last - 1, 'rate_limited'), ...live(last, { target: 0 }), [
      watching(last),
    ]);
    expect(nextStep(story, start + patienceMs)).toEqual({ kind: 'wait', untilMs: deadlineOf(twoTargets) });
  });
});

describe('money looks before it leaps', () => {
  const impatientMs = 70_000;
  const lookOfOneMs = 5_000;
  const impatient: Route = threeTargets.map((target) => ({ ...target, patienceMs: impatientMs }));
  const late = start + impatientMs;
  const watch = (number: number) => ({ kind: 'watch', attempt: { number } });
  const queue = (attempt: number, kind: TicketStory['kind']) => ({
    kind: 'queue',
    ticket: { attempt, target: attempt - 1, kind },
  });
  const wait = (untilMs: number) => ({ kind: 'wait', untilMs });

  test.each<{ what: string; facts: readonly Told[]; at: number; expected: object }>([
    {
      what: 'a callback that is lost, with little patience: asks the provider',
      facts: [],
      at: late,
      expected: watch(1),
    },
    {
      what: 'a poll that has not answered yet: waits for it',
      facts: [[watching(), late]],
      at: late + lookOfOneMs - 1,
      expected: wait(late + lookOfOneMs),
    },
    {
      what: 'a poll that says nothing: overlaps',
      facts: [[watching(), late]],
      at: late + lookOfOneMs,
      expected: queue(2, 'overlap'),
    },
    {
      what: 'a poll that was begun long before patience ended: overlaps at once',
      facts: [[watching(), late - 30_000]],
      at: late,
      expected: queue(2, 'overlap'),
    },
    {
      what: 'a poll that was begun just before patience ended: waits for it',
      facts: [[watching(), late - 1_000]],
      at: late,
      expected: wait(late - 1_000 + lookOfOneMs),
    },
    {
      what: 'two attempts, one of which was asked for: asks for the other',
      facts: [[watching(), start], ...live(2)],
      at: late,
      expected: watch(2),
    },
    {
      what: 'two attempts, one of which was asked for just now: waits for it',
      facts: [[watching(), start], ...live(2), [watching(2), late]],
      at: late,
      expected: wait(late + lookOfOneMs),
    },
    {
      what: 'an attempt beside it that is not late: asks for the late one, and overlaps nothing',
      facts: [[watching(), late], ...live(2, { at: late })],
      at: late + lookOfOneMs,
      expected: wait(late + impatientMs),
    },
  ])('$what', ({ facts, at, expected }) => {
    expect(nextStep(storyOf(impatient, ...live(), ...facts), at)).toMatchObject(expected);
  });

  /** The worker comes back when patience is long over, and nobody has been asked yet. */
  const back = start + 10 * impatientMs;
  test.each<{ what: string; facts: readonly Told[]; at: number; expected: object }>([
    { what: 'asks the provider first', facts: [], at: back, expected: watch(1) },
    {
      what: 'buys no second video where the poll finds the end',
      facts: [
        [watching(), back],
        [finished(), back + lookOfOneMs],
      ],
      at: back + lookOfOneMs,
      expected: { kind: 'store', attempt: { number: 1 } },
    },
    {
      what: 'goes elsewhere as after any failure where the poll finds one',
      facts: [
        [watching(), back],
        [failed(1, 'no_credit'), back + 100],
      ],
      at: back + 100,
      expected: queue(2, 'retry'),
    },
    {
      what: 'has all its patience again where the poll finds the provider`s own queue',
      facts: [
        [watching(), back],
        [reported(1, { outcome: 'queued' }), back + 100],
        [watching(), back + 60_100],
      ],
      at: back + 60_100,
      expected: wait(back + 100 + impatientMs),
    },
    {
      what: 'overlaps where the poll says nothing in its time',
      facts: [[watching(), back]],
      at: back + lookOfOneMs,
      expected: queue(2, 'overlap'),
    },
  ])('after an outage of the worker: $what', ({ facts, at, expected }) => {
    expect(nextStep(storyOf(impatient, ...live(), ...facts), at)).toMatchObject(expected);
  });

  test('nothing is asked early where nobody else could try', () => {
    const route: Route = [makeTarget({ patienceMs: impatientMs })];
    expect(nextStep(storyOf(route, ...live()), late)).toEqual(wait(start + checkMs));
  });
});

describe('while two attempts overlap', () => {
  const both: readonly Told[] = [...live(), [watching()], ...live(2), [watching(2)]];

  test.each([1, 2])('the first success wins: attempt %i', (winner) => {
    const story = storyOf(twoTargets, ...both, [finished(winner)]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'store', attempt: { number: winner } });
    expect(nextStep(storyOf(twoTargets, ...both, ...kept(winner)), start)).toEqual(settleCompleted(winner));
  });

  test.each(['moderation', 'auth', 'provider_failed'] as const)('%s at one leaves the other its chance', (code) => {
    const story = storyOf(twoTargets, ...both, [failed(2, code)]);
    expect(nextStep(story, start)).toEqual({ kind: 'wait', untilMs: deadlineOf(twoTargets) });
    expect(nextStep(heard(story, finished(1), start), start)).toMatchObject({ kind: 'store', attempt: { number: 1 } });
  });

  test('moderation counts once the other has failed too', () => {
    const story = storyOf(threeTargets, ...both, [failed(2, 'moderation')], [failed(1, 'auth')]);
    expect(nextStep(story, start)).toEqual(settleFailed('moderation'));
  });

  test('a stale report of a failed attempt completes nothing', () => {
    const story = storyOf(twoTargets, ...both, [failed(1, 'auth')], [finished(1)]);
    expect(nextStep(story, start)).toEqual({ kind: 'wait', untilMs: deadlineOf(twoTargets) });
  });

  test('the ticket of an overlap becomes a retry when the last sibling ends, once', () => {
    const story = storyOf(twoTargets, ...live(), [queued(2, 1, 'overlap')], [failed(1, 'auth')]);
    const step = nextStep(story, start);
    expect(step).toEqual({ kind: 'queue', ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 0 });
    expect(nextStep(heard(story, queued(2, 1), start), start)).toEqual({
      kind: 'wait',
      untilMs: deadlineOf(twoTargets),
    });
  });
});

describe('precedence', () => {
  const deadline = deadlineOf(oneTarget);

  const keepDeadline = deadline + limits.storeMsMax;

  test('a video in the same activation as the run deadline has the time of its copy', () => {
    const story = storyOf(oneTarget, ...live(), [finished(), deadline]);
    expect(nextStep(story, deadline)).toMatchObject({ kind: 'store' });
    expect(nextStep(story, keepDeadline - 1)).toMatchObject({ kind: 'store' });
    expect(nextStep(story, keepDeadline)).toEqual(settleFailed('timed_out', { retry: 'never' }));
  });

  test('a copy that is under way has its time, and no more', () => {
    const story = storyOf(oneTarget, ...live(), ...copying());
    expect(nextStep(story, keepDeadline - 1)).toEqual({ kind: 'wait', untilMs: null });
    expect(nextStep(story, keepDeadline)).toEqual(settleFailed('timed_out', { retry: 'never' }));
  });

  test('a copy that failed leaves no more time than there was', () => {
    const story = storyOf(twoTargets, ...live(), ...copying(), [storeFailed(1, 'output_expired')]);
    expect(nextStep(story, deadlineOf(twoTargets))).toEqual(settleFailed('timed_out', { retry: 'never' }));
  });

  test.each<{ what: string; facts: readonly Told[]; at: number }>([
    { what: 'its last deadline', facts: kept(), at: keepDeadline },
    { what: 'a cancel', facts: [[{ kind: 'cancel' }], ...kept()], at: start },
    { what: 'the end that somebody else set', facts: [...kept(), [submitted(2, 'job_final')]], at: start },
  ])('a copy that became ours in the same activation as $what counts', ({ facts, at }) => {
    expect(nextStep(storyOf(oneTarget, ...live(), ...facts), at)).toEqual(settleCompleted(1));
  });

  test.each<{ what: string; facts: readonly Told[] }>([
    { what: 'waiting for its permit', facts: [] },
    { what: 'granted', facts: [[permit()]] },
    { what: 'submitting', facts: [[permit()], [submitting()]] },
    { what: 'live', facts: live() },
    { what: 'failed for good', facts: [...live(), [failed(1, 'moderation')]] },
    { what: 'finished at its provider', facts: [...live(), [finished()]] },
    { what: 'being copied', facts: [...live(), ...copying()] },
  ])('cancel beats a job that is $what', ({ facts }) => {
    const story = storyOf(oneTarget, ...facts, [{ kind: 'cancel' }]);
    expect(nextStep(story, start)).toEqual({ kind: 'settle', verdict: { phase: 'cancelled' } });
  });

  test('cancel beats the run deadline', () => {
    expect(nextStep(storyOf(oneTarget, ...live(), [{ kind: 'cancel' }]), deadline)).toMatchObject({
      verdict: { phase: 'cancelled' },
    });
  });

  test('the run deadline ends a live job and a waiting ticket, and not a moment early', () => {
    const watched = storyOf(oneTarget, ...live(), [watching()]);
    expect(nextStep(watched, deadline - 1)).toEqual({ kind: 'wait', untilMs: deadline });
    expect(nextStep(watched, deadline)).toEqual(settleFailed('timed_out', { retry: 'never' }));
    const waiting = storyOf(oneTarget, ...live(), [failed(1, 'rate_limited')], [queued(2, 0)]);
    expect(nextStep(waiting, deadline)).toEqual(settleFailed('timed_out', { retry: 'never' }));
  });

  test('a job that somebody else has ended is only asked for its verdict', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'job_final')]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'settle' });
  });

  test('a job whose owner wants it cancelled, as the ledger says, is cancelled', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'cancel_requested')]);
    expect(nextStep(story, start)).toEqual({ kind: 'settle', verdict: { phase: 'cancelled' } });
  });
});

describe('after an earlier run was lost', () => {
  const known = (...attempts: readonly Pick<KnownAttempt, 'phase' | 'failure'>[]): Story =>
    openStory(
      {
        route: twoTargets,
        known: attempts.map((attempt, index) => ({
          attempt: index + 1,
          target: index,
          grant: `g${index + 1}`,
          ...attempt,
        })),
      },
      start,
    );

  test.each(['live', 'unknown'] as const)('%s: asks the provider now', (phase) => {
    expect(nextStep(known({ phase }), start)).toMatchObject({ kind: 'watch', attempt: { number: 1 } });
  });

  test('finished: copies the video', () => {
    const story = known({ phase: 'failed', failure: failureOf('auth') }, { phase: 'finished' });
    expect(nextStep(story, start)).toMatchObject({ kind: 'store', attempt: { number: 2 } });
  });

  test('stored: settles', () => {
    const story = known({ phase: 'failed', failure: failureOf('auth') }, { phase: 'stored' });
    expect(nextStep(story, start)).toEqual(settleCompleted(2));
  });

  test('failed: asks for the next attempt', () => {
    expect(nextStep(known({ phase: 'failed', failure: failureOf('auth') }), start)).toMatchObject({
      kind: 'queue',
      ticket: { attempt: 2, target: 1, kind: 'retry' },
    });
  });
});

const anyKnown = fc.constantFrom<Told[]>(
  [[failed(1, 'auth')]],
  [[failed(1, 'provider_failed')]],
  [[failed(1, 'rate_limited', { retryAfterMs: 5 })]],
  [[failed(1, 'moderation')]],
  [[finished(1)]],
  [[reported(1, { outcome: 'queued' })]],
  [[{ kind: 'cancel' }]],
  [],
);

interface Taken {
  readonly step: Step;
  readonly now: number;
  readonly story: Story;
}

interface Life {
  readonly happenings: readonly Told[][];
  readonly stepMs: number;
  readonly patienceMs: number;
  /** Of each copy in turn: what comes of it. After them they succeed. */
  readonly copies: readonly StoreAnswer[];
  readonly copyMs: number;
}

/** Lives a story through: what happens, happens at every wait; then time goes on to the moment that is waited for. */
function livedThrough({ happenings, stepMs, patienceMs: patience, copies, copyMs }: Life): readonly Taken[] {
  const taken: Taken[] = [];
  const scripts = happenings.values();
  const endsOfCopies = copies.values();
  const route = threeTargets.map((target) => ({ ...target, patienceMs: patience }));
  let story = storyOf(route, [permit()]);
  let now = start;
  while (taken.length < 500) {
    const step = nextStep(story, now);
    taken.push({ step, now, story });
    switch (step.kind) {
      case 'settle':
        return taken;
      case 'submit': {
        const { number } = step.attempt;
        story = heard(heard(story, submitting(number), now), submitted(number, 'accepted'), now);
        break;
      }
      case 'watch':
        story = heard(story, watching(step.attempt.number), now);
        break;
      case 'queue': {
        const { attempt, target, kind } = step.ticket;
        story = heard(story, queued(attempt, target, kind), now);
        now += step.waitMs;
        story = heard(story, permit(attempt, target), now);
        break;
      }
      case 'move':
        throw new Error('nobody wished for another target');
      case 'store':
        story = heard(story, storing(step.attempt.number), now);
        break;
      case 'wait': {
        const { value = [] } = scripts.next();
        const newest = story.attempts.at(-1)?.number ?? 1;
        for (const [fact] of value) story = heard(story, 'attempt' in fact ? { ...fact, attempt: newest } : fact, now);
        now = value.length > 0 ? now + stepMs : (step.untilMs ?? now);
        const copied = story.attempts.find(({ phase }) => phase === 'storing');
        if (copied !== undefined) {
          now += copyMs;
          const answer = endsOfCopies.next().value ?? { kind: 'stored' };
          story = heard(story, { kind: 'stored', attempt: copied.number, answer }, now);
        }
        break;
      }
    }
  }
  throw new Error('the story never ends');
}

/** Whether everybody who may be at work was asked for, and had time to answer. */
function hasLooked({ story, now }: Taken): boolean {
  return story.attempts
    .filter(isLive)
    .every((attempt) => attempt.watchedAt !== null && attempt.watchedAt + lookMs(targetOf(story, attempt)) <= now);
}

const anyLife: fc.Arbitrary<Life> = fc.record({
  happenings: fc.array(anyKnown, { maxLength: 20 }),
  stepMs: fc.integer({ min: 0, max: 100_000 }),
  patienceMs: fc.constantFrom(1, 70_000, 120_000),
  copies: fc.array(
    fc.constantFrom<StoreAnswer>(
      { kind: 'stored' },
      { kind: 'failed', failure: failureOf('output_expired') },
      { kind: 'failed', failure: failureOf('timed_out', { retry: 'never' }) },
    ),
    { maxLength: 5 },
  ),
  copyMs: fc.integer({ min: 0, max: limits.storeMsMax }),
});

test('whatever happens: nobody is paid beside an attempt that was not asked for', () => {
  fc.assert(
    fc.property(anyLife, (life) => {
      const leaps = livedThrough(life).filter(({ step }) => step.kind === 'queue' && step.ticket.kind === 'overlap');
      expect(leaps.filter((taken) => !hasLooked(taken))).toEqual([]);
    }),
  );
});

test('whatever happens: nobody is paid or asked while a video is being copied, and one is copied at a time', () => {
  fc.assert(
    fc.property(anyLife, (life) => {
      const meanwhile = livedThrough(life).filter(({ story }) =>
        story.attempts.some(({ phase }) => phase === 'storing'),
      );
      expect(meanwhile.filter(({ step }) => step.kind !== 'wait' && step.kind !== 'settle')).toEqual([]);
      const several = meanwhile.filter(
        ({ story }) => story.attempts.filter(({ phase }) => phase === 'storing').length > 1,
      );
      expect(several).toEqual([]);
    }),
  );
});

test('whatever happens: the story ends by its run deadline, sends no attempt twice, and waits for no past', () => {
  fc.assert(
    fc.property(anyLife, (life) => {
      const taken = livedThrough(life);
      const last = taken.at(-1);
      // Of the last copies one may be begun within the time of the other.
      const copiesMs = taken.some(({ step }) => step.kind === 'store') ? 2 * limits.storeMsMax : 0;
      expect(last?.now).toBeLessThanOrEqual((last?.story.runDeadlineAt ?? start) + life.stepMs + copiesMs);

      const sent = taken.flatMap(({ step }) => (step.kind === 'submit' ? [step.attempt.number] : []));
      expect(sent).toEqual([...new Set(sent)]);
      const inThePast = taken.filter(
        ({ step, now }) => step.kind === 'wait' && step.untilMs !== null && step.untilMs <= now,
      );
      expect(inThePast).toEqual([]);
      const twice = taken.filter(
        ({ step, story }) =>
          step.kind === 'queue' && story.attempts.some(({ number }) => number === step.ticket.attempt),
      );
      expect(twice).toEqual([]);
    }),
  );
});
