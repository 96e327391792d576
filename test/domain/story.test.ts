import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureOf, type RetryAdvice } from '../../src/domain/failure.ts';
import { heard } from '../../src/domain/heard.ts';
import { nextStep } from '../../src/domain/next-step.ts';
import { type Route, runBudgetMs } from '../../src/domain/route.ts';
import {
  type AttemptStory,
  type Fact,
  isLive,
  isUnkept,
  type KnownAttempt,
  openStory,
  targetOf,
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

describe('a story opens', () => {
  test('with the deadline that the job had, when an earlier run was lost', () => {
    const known: KnownAttempt[] = [{ attempt: 1, target: 0, grant: 'g1', phase: 'live' }];
    expect(openStory({ route: oneTarget, known, runDeadlineAt: start + 5 }, start).runDeadlineAt).toBe(start + 5);
  });

  test('with the place in line of its first attempt', () => {
    const story = openStory({ route: oneTarget }, start);
    expect(story).toMatchObject({
      ticket: { attempt: 1, target: 0, kind: 'first' },
      attempts: [],
      runDeadlineAt: null,
    });
  });

  test('with what the ledger knows of an earlier run, to be looked at now, and without a place in line', () => {
    const known: KnownAttempt[] = [
      { attempt: 1, target: 0, grant: 'g1', phase: 'failed', failure: failureOf('provider_failed') },
      { attempt: 2, target: 1, grant: 'g2', phase: 'live' },
    ];
    const story = openStory({ route: twoTargets, known }, start);
    expect(story.ticket).toBeNull();
    expect(story.runDeadlineAt).toBe(start + runBudgetMs(twoTargets));
    expect(story.attempts).toEqual([
      {
        number: 1,
        target: 0,
        grant: 'g1',
        phase: 'failed',
        failure: failureOf('provider_failed'),
        since: start,
        checkAt: start,
        watchedAt: null,
      },
      { number: 2, target: 1, grant: 'g2', phase: 'live', since: start, checkAt: start, watchedAt: null },
    ]);
  });
});

describe('a permit', () => {
  test('uses the ticket up', () => {
    expect(storyOf(oneTarget, [permit()])).toMatchObject({
      ticket: null,
      attempts: [{ number: 1, phase: 'granted', grant: 'g1' }],
    });
  });

  test('told twice changes nothing, whatever became of the attempt', () => {
    const before = storyOf(oneTarget, ...live());
    expect(heard(before, permit(), start + 5)).toEqual(before);
  });

  test('that overtakes the answer of the queue leaves no ticket behind', () => {
    const ticket = { attempt: 2, target: 1, kind: 'retry' } as const;
    const story = storyOf(
      twoTargets,
      ...live(),
      [failed(1, 'auth')],
      [permit(2)],
      [{ kind: 'ticket', ticket, answer: 'queued' }],
    );
    expect(story.ticket).toBeNull();
  });

  test('of another number uses the only ticket up all the same', () => {
    const ticket = { attempt: 2, target: 1, kind: 'retry' } as const;
    const queued = storyOf(twoTargets, ...live(), [failed(1, 'auth')], [{ kind: 'ticket', ticket, answer: 'queued' }]);
    expect(heard(queued, permit(3, 1), start).ticket).toBeNull();
  });

  test('of an earlier number leaves a later ticket alone', () => {
    const ticket = { attempt: 3, target: 1, kind: 'overlap' } as const;
    const queued = storyOf(twoTargets, ...live(2), [{ kind: 'ticket', ticket, answer: 'queued' }]);
    expect(heard(queued, permit(1), start).ticket).toEqual(ticket);
  });
});

describe('the answer of the queue', () => {
  const ticket = { attempt: 2, target: 1, kind: 'retry' } as const;
  test.each([
    { answer: 'queued', expected: { ticket, over: false, cancelled: false } },
    { answer: 'granted', expected: { ticket, over: false, cancelled: false } },
    { answer: 'job_final', expected: { ticket: null, over: true, cancelled: false } },
    { answer: 'cancel_requested', expected: { ticket: null, over: false, cancelled: true } },
  ] as const)('$answer', ({ answer, expected }) => {
    const story = storyOf(twoTargets, ...live(), [failed(1, 'auth')], [{ kind: 'ticket', ticket, answer }]);
    expect(story).toMatchObject(expected);
  });
});

describe('a submit', () => {
  test('sets the run deadline once, at the first POST', () => {
    const budgetMs = runBudgetMs(twoTargets);
    const story = storyOf(
      twoTargets,
      [permit()],
      [submitting(), start + 10],
      [refused(1, 'auth')],
      [permit(2)],
      [submitting(2), start + 99],
    );
    expect(story.runDeadlineAt).toBe(start + 10 + budgetMs);
  });

  test.each<{ fact: Fact; phase: AttemptStory['phase']; over?: boolean; cancelled?: boolean }>([
    { fact: submitted(1, 'accepted'), phase: 'live' },
    { fact: submitted(1, 'unknown'), phase: 'unknown' },
    { fact: refused(1, 'auth'), phase: 'failed' },
    { fact: submitted(1, 'permit_lost'), phase: 'void' },
    { fact: submitted(1, 'job_final'), phase: 'void', over: true },
    { fact: submitted(1, 'cancel_requested'), phase: 'void', cancelled: true },
  ])('answered %j', ({ fact, phase, over = false, cancelled = false }) => {
    expect(storyOf(oneTarget, [permit()], [submitting()], [fact])).toMatchObject({
      attempts: [{ phase }],
      over,
      cancelled,
    });
  });

  test('counts patience and polls from acceptance', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'accepted'), start + 700]);
    expect(story.attempts).toMatchObject([{ since: start + 700, checkAt: start + 700 + 90_000 }]);
  });

  test('counts from the POST and is looked for soon when its answer is unknown', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()], [submitted(1, 'unknown'), start + 30_000]);
    expect(story.attempts).toMatchObject([{ since: start, checkAt: start + 5_000 }]);
  });

  test('whose answer comes after the callback changes nothing', () => {
    const before = storyOf(oneTarget, [permit()], [submitting()], [finished()]);
    expect(before.attempts).toMatchObject([{ phase: 'finished' }]);
    for (const answer of [submitted(1, 'accepted'), submitted(1, 'unknown'), refused(1, 'auth')]) {
      expect(heard(before, answer, start + 9).attempts).toEqual(before.attempts);
    }
  });

  test('that nobody sent has no answer', () => {
    const story = storyOf(oneTarget, [permit()], [submitting()]);
    expect(heard(story, submitted(5, 'accepted'), start)).toEqual(story);
  });
});

describe('a report', () => {
  test('of another attempt ends nobody else', () => {
    const before = storyOf(twoTargets, ...live(), [failed(1, 'auth')], ...live(2));
    expect(heard(before, finished(1), start).attempts).toEqual(before.attempts);
    expect(heard(before, finished(7), start).attempts).toEqual(before.attempts);
  });

  test('of the provider`s own queue starts patience anew and looks again within a minute', () => {
    const queued = reported(1, { outcome: 'queued' });
    const story = storyOf(oneTarget, ...live(), [{ kind: 'watching', attempt: 1 }], [queued, start + 90_000]);
    expect(story.attempts).toMatchObject([
      { phase: 'live', watchedAt: null, since: start + 90_000, checkAt: start + 150_000 },
    ]);
    expect(heard(storyOf(oneTarget), queued, start)).toEqual(storyOf(oneTarget));
  });

  test.each([
    { typicalMs: 1_000, delayMs: 15_000 },
    { typicalMs: 40_000, delayMs: 40_000 },
    { typicalMs: 400_000, delayMs: 60_000 },
  ])('of a queue is checked after $delayMs ms where a video takes $typicalMs ms', ({ typicalMs, delayMs }) => {
    const story = storyOf([makeTarget({ typicalMs })], ...live(), [reported(1, { outcome: 'queued' })]);
    expect(story.attempts).toMatchObject([{ checkAt: start + delayMs }]);
  });

  test('ends a watch', () => {
    const story = storyOf(oneTarget, ...live(), [{ kind: 'watching', attempt: 1 }], [failed(1, 'provider_failed')]);
    expect(story.attempts).toMatchObject([{ phase: 'failed', watchedAt: null, failure: { code: 'provider_failed' } }]);
  });
});

describe('a poll', () => {
  test('is under way from the moment that it was begun', () => {
    const story = storyOf(twoTargets, ...live(), ...live(2), [{ kind: 'watching', attempt: 2 }, start + 7]);
    expect(story.attempts).toMatchObject([{ watchedAt: null }, { watchedAt: start + 7 }]);
  });
});

describe('a hint', () => {
  test('moves the check to now', () => {
    const story = storyOf(oneTarget, ...live(), [{ kind: 'hint', attempt: 1 }, start + 3]);
    expect(story.attempts).toMatchObject([{ checkAt: start + 3 }]);
  });

  test('that overtakes the answer of the submit is followed once there is somebody to ask', () => {
    const hinted = storyOf(
      oneTarget,
      [permit()],
      [submitting(), start + 1],
      [{ kind: 'hint', attempt: 1 }, start + 50],
    );
    const story = heard(hinted, submitted(1, 'accepted'), start + 80);
    expect(story.attempts).toMatchObject([{ since: start + 80, checkAt: start + 80 }]);
  });

  test('of an attempt that has ended changes nothing', () => {
    const before = storyOf(oneTarget, ...live(), [finished()]);
    expect(heard(before, { kind: 'hint', attempt: 1 }, start + 9)).toEqual(before);
  });
});

test('an attempt knows its target, and one beyond the route is a bug', () => {
  const story = storyOf(twoTargets);
  expect(targetOf(story, { target: 1 }).name).toBe('vendor/two');
  expect(() => targetOf(story, { target: 2 })).toThrow('assertion failed');
});

test.each([
  { phase: 'granted', live: false, unkept: false },
  { phase: 'submitting', live: true, unkept: false },
  { phase: 'live', live: true, unkept: false },
  { phase: 'unknown', live: true, unkept: false },
  { phase: 'finished', live: false, unkept: true },
  { phase: 'storing', live: false, unkept: true },
  { phase: 'stored', live: false, unkept: false },
  { phase: 'failed', live: false, unkept: false },
  { phase: 'void', live: false, unkept: false },
] as const)('$phase: the provider may work on it is $live, its video is still to be copied is $unkept', (attempt) => {
  expect([isLive(attempt), isUnkept(attempt)]).toEqual([attempt.live, attempt.unkept]);
});

describe('a copy', () => {
  test('is of a video that is there, and is begun once', () => {
    const story = storyOf(twoTargets, ...live(), ...live(2), [finished(1)], [storing(1)], [storing(2)], [storing(1)]);
    expect(story.attempts).toMatchObject([{ phase: 'storing' }, { phase: 'live' }]);
  });

  test.each<{ what: string; facts: readonly Told[]; phase: AttemptStory['phase'] }>([
    { what: 'ours', facts: kept(), phase: 'stored' },
    { what: 'ours, whatever is told afterwards', facts: [...kept(), [storeFailed(1, 'timed_out')]], phase: 'stored' },
    { what: 'not to be had', facts: [...copying(), [storeFailed(1, 'output_expired')]], phase: 'failed' },
    {
      what: 'not to be had, whatever is told afterwards',
      facts: [...copying(), [storeFailed(1, 'output_expired')], [stored()], [finished()], [storing()]],
      phase: 'failed',
    },
    { what: 'told of before it was begun', facts: [[finished()], [stored()]], phase: 'finished' },
    { what: 'told of an attempt that is live', facts: [[stored()]], phase: 'live' },
    { what: 'under way, whatever its provider says', facts: [...copying(), [failed(1, 'auth')]], phase: 'storing' },
    { what: 'under way, and its end is told again', facts: [...copying(), [finished()]], phase: 'storing' },
  ])('$what', ({ facts, phase }) => {
    expect(storyOf(oneTarget, ...live(), ...facts).attempts).toMatchObject([{ phase }]);
  });

  test('that failed says why', () => {
    const story = storyOf(oneTarget, ...live(), ...copying(), [storeFailed(1, 'output_expired')]);
    expect(story.attempts).toMatchObject([{ failure: failureOf('output_expired') }]);
  });

  test('of a job that somebody has ended leaves only the verdict to ask for', () => {
    const answer = { kind: 'job_final' } as const;
    const story = storyOf(oneTarget, ...live(), ...copying(), [{ kind: 'stored', attempt: 1, answer }]);
    expect(story.over).toBe(true);
  });
});

describe('moderation goes where the catalogue lets it go', () => {
  const lenient = [makeTarget({ moderation: 'elsewhere' }), makeTarget({ name: 'vendor/two' })];
  const strict = [makeTarget({ moderation: 'never' }), makeTarget({ name: 'vendor/two' })];

  test.each<{ what: string; route: Route; fact: Fact; retry: RetryAdvice }>([
    { what: 'nothing said: never', route: twoTargets, fact: failed(1, 'moderation'), retry: 'never' },
    { what: 'never: never', route: strict, fact: failed(1, 'moderation'), retry: 'never' },
    { what: 'elsewhere, by a report', route: lenient, fact: failed(1, 'moderation'), retry: 'elsewhere' },
    { what: 'elsewhere, by a refusal', route: lenient, fact: refused(1, 'moderation'), retry: 'elsewhere' },
    {
      what: 'nothing said, and an adapter says elsewhere: never',
      route: twoTargets,
      fact: failed(1, 'moderation', { retry: 'elsewhere' }),
      retry: 'never',
    },
    { what: 'another failure keeps its own advice', route: lenient, fact: failed(1, 'invalid_input'), retry: 'never' },
    { what: 'and so does this one', route: lenient, fact: failed(1, 'provider_failed'), retry: 'same' },
  ])('$what', ({ route, fact, retry }) => {
    expect(storyOf(route, ...live(), [fact]).attempts).toMatchObject([{ phase: 'failed', failure: { retry } }]);
  });

  test('also where the failure comes from the ledger', () => {
    const failure = failureOf('moderation', { vendorCode: '1403' });
    const known: KnownAttempt[] = [{ attempt: 1, target: 0, grant: 'g1', phase: 'failed', failure }];
    const story = openStory({ route: lenient, known }, start);
    expect(story.attempts).toMatchObject([{ failure: { ...failure, retry: 'elsewhere' } }]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, target: 1 } });
  });

  test('and ends the job where there is nobody else', () => {
    const story = storyOf([lenient[0] ?? makeTarget()], ...live(), [failed(1, 'moderation')]);
    expect(nextStep(story, start)).toMatchObject({ verdict: { phase: 'failed', failure: { code: 'moderation' } } });
  });
});

const attempts = fc.integer({ min: 1, max: 4 });
const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  attempts.map((attempt) => permit(attempt, 0)),
  attempts.map(submitting),
  fc
    .tuple(attempts, fc.constantFrom('accepted', 'unknown', 'job_final', 'cancel_requested', 'permit_lost'))
    .map(([attempt, kind]) => submitted(attempt, kind)),
  attempts.map((attempt) => refused(attempt, 'rate_limited')),
  attempts.map(finished),
  attempts.map((attempt) => failed(attempt, 'provider_failed')),
  attempts.map((attempt) => reported(attempt, { outcome: 'queued' })),
  attempts.map((attempt): Fact => ({ kind: 'watching', attempt })),
  attempts.map((attempt): Fact => ({ kind: 'hint', attempt })),
  attempts.map(storing),
  attempts.map(stored),
  attempts.map((attempt) => storeFailed(attempt, 'output_expired')),
  fc.constant<Fact>({ kind: 'cancel' }),
);

const hasEnded = ({ phase }: AttemptStory): boolean => phase === 'stored' || phase === 'failed' || phase === 'void';
const hasVideo = ({ phase }: AttemptStory): boolean => phase === 'finished' || phase === 'storing';

test('whatever is heard: an attempt that has ended never changes, and cancel and over are never taken back', () => {
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 40 }), (facts) => {
      let story = openStory({ route: threeTargets }, start);
      facts.forEach((fact, index) => {
        const before = story;
        story = heard(story, fact, start + index);
        for (const old of before.attempts) {
          const now = story.attempts.find(({ number }) => number === old.number);
          expect(now).toBeDefined();
        }
        expect(story.attempts).toEqual(expect.arrayContaining(before.attempts.filter(hasEnded)));
        const withVideo = before.attempts.filter(hasVideo).map(({ number }) => number);
        const goneBack = story.attempts.filter(
          (now) => withVideo.includes(now.number) && !hasVideo(now) && !hasEnded(now),
        );
        expect(goneBack).toEqual([]);
        expect(new Set(story.attempts.map(({ number }) => number)).size).toBe(story.attempts.length);
        expect([before.cancelled && !story.cancelled, before.over && !story.over]).toEqual([false, false]);
        expect(story.runDeadlineAt).toBe(before.runDeadlineAt ?? story.runDeadlineAt);
      });
    }),
  );
});

test('whatever is heard twice counts once', () => {
  fc.assert(
    fc.property(fc.array(anyFact, { maxLength: 30 }), (facts) => {
      const once = facts.reduce((story, fact) => heard(story, fact, start), openStory({ route: threeTargets }, start));
      const twice = facts.reduce(
        (story, fact) => heard(heard(story, fact, start), fact, start),
        openStory({ route: threeTargets }, start),
      );
      expect(twice).toEqual(once);
    }),
  );
});

describe('an attempt whose answer was given up', () => {
  const givenUp = [...live(1), [failed(1, 'ambiguous_submit')]] as const;

  test('still wins when its video arrives: it is paid for', () => {
    const story = storyOf(twoTargets, ...givenUp, [finished(1)]);
    expect(story.attempts[0]?.phase).toBe('finished');
    expect(nextStep(story, start)).toMatchObject({ kind: 'store', attempt: { number: 1 } });
  });

  test('while one that the provider called failed stays so', () => {
    const story = storyOf(twoTargets, ...live(1), [failed(1, 'provider_failed')], [finished(1)]);
    expect(story.attempts[0]?.phase).toBe('failed');
  });
});

describe('what the provider says to a line', () => {
  const line: Fact = { kind: 'line', refusal: 'no_credit' };
  const ticket = (target: number) => ({ attempt: 2, target, kind: 'retry' }) as const;
  const queued = (target: number): Fact => ({ kind: 'ticket', ticket: ticket(target), answer: 'queued' });

  test('is forgotten with the permit, and not said of the next line', () => {
    const granted = storyOf(twoTargets, [line], [permit()]);
    expect(granted.refusal).toBeUndefined();
    // It may be told late, too.
    expect(storyOf(twoTargets, ...live(), [line], [failed(1, 'moderation')], [queued(1)]).refusal).toBeUndefined();
  });

  test('is forgotten where the ticket goes to another line, and kept where it stays', () => {
    const waiting = storyOf(twoTargets, ...live(), [failed(1, 'auth')], [queued(1)], [line]);
    const wished = heard(waiting, { kind: 'wish', wish: { id: 'w', target: 0, isForced: false } }, start);
    const moved = (target: number): Fact => ({ kind: 'moved', ticket: ticket(target), answer: 'moved' });
    expect(heard(wished, moved(0), start).refusal).toBeUndefined();
    expect(heard(wished, moved(1), start).refusal).toBe('no_credit');
    expect(heard(waiting, queued(1), start).refusal).toBe('no_credit');
  });
});
