import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../src/domain/failure.ts';
import { heard } from '../../src/domain/heard.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { nextStep, type Step } from '../../src/domain/next-step.ts';
import {
  lastTarget,
  outcomeOfWish,
  refusalOfExtension,
  refusalOfPollNow,
  refusalOfWish,
} from '../../src/domain/repair.ts';
import {
  type Fact,
  isAtStake,
  isUnkept,
  type MoveAnswer,
  type QueueAnswer,
  type Story,
} from '../../src/domain/story.ts';
import {
  copying,
  failed,
  finished,
  kept,
  live,
  permit,
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

const wish = (target: number, isForced = false, copies: readonly number[] = []): Fact => ({
  kind: 'wish',
  wish: { id: 'w', target, isForced },
  copies,
});
const queued = (attempt: number, target: number, kind: 'retry' | 'overlap' = 'retry'): Told => [
  { kind: 'ticket', ticket: { attempt, target, kind }, answer: 'queued' },
];
const unknown: readonly Told[] = [[permit()], [submitting()], [submitted(1, 'unknown')]];
const waiting: readonly Told[] = [...live(), [failed(1, 'no_credit')], queued(2, 1)];
const refusal = (story: Story, target: number, { isForced = false, now = start } = {}) =>
  refusalOfWish(story, { target, isForced }, now);

describe('pollNow', () => {
  const pollNow: Fact = { kind: 'pollNow' };

  test('asks for what is live and what may be, at once, though a poll of it waits for its moment', () => {
    const story = storyOf(twoTargets, ...live(), [{ kind: 'watching', attempt: 1 }], [pollNow, start + 5]);
    expect(nextStep(story, start + 5)).toMatchObject({ kind: 'watch', attempt: { number: 1 } });
    expect(nextStep(storyOf(twoTargets, ...unknown, [pollNow, start + 5]), start + 5)).toMatchObject({ kind: 'watch' });
  });

  test.each([
    { what: 'waits', told: waiting, why: /waits for its permit/ },
    { what: 'is being sent', told: [[permit()], [submitting()]], why: /is just being sent/ },
    { what: 'is being copied', told: [...live(), ...copying()], why: /nobody to ask/ },
  ] as const)('is refused where the job $what, with what to do instead', ({ told, why }) => {
    expect(refusalOfPollNow(storyOf(twoTargets, ...told))).toMatch(why);
  });

  test('is taken where an attempt is live or unknown', () => {
    expect(refusalOfPollNow(storyOf(twoTargets, ...live()))).toBeUndefined();
    expect(refusalOfPollNow(storyOf(twoTargets, ...unknown))).toBeUndefined();
  });

  test('leaves what has ended, and what is being copied, as it is', () => {
    const story = storyOf(twoTargets, ...live(), ...copying());
    expect(heard(story, pollNow, start + 5).attempts).toEqual(story.attempts);
  });
});

describe('a wish for another target', () => {
  test('moves what waits, without force, and nothing is sent for it', () => {
    const story = storyOf(twoTargets, ...waiting);
    expect(refusal(story, 0)).toBeUndefined();
    const moving = nextStep(heard(story, wish(0), start), start);
    expect(moving).toEqual({ kind: 'move', ticket: { attempt: 2, target: 0, kind: 'retry' } });
  });

  test('moves the first ticket of a job that was never sent', () => {
    const story = storyOf(twoTargets, [wish(1)]);
    expect(nextStep(story, start)).toEqual({ kind: 'move', ticket: { attempt: 1, target: 1, kind: 'first' } });
  });

  test('once answered is not carried out again, and the ticket stands where it was moved to', () => {
    const moved: Fact = { kind: 'moved', ticket: { attempt: 1, target: 1, kind: 'first' }, answer: 'moved' };
    const story = storyOf(twoTargets, [wish(1)], [moved]);
    expect(story.ticket).toEqual({ attempt: 1, target: 1, kind: 'first' });
    expect(story.wish?.answer).toBe('moved');
    expect(nextStep(story, start)).toMatchObject({ kind: 'wait' });
  });

  test.each([
    { answer: 'gone', expected: { answer: 'granted' } },
    { answer: 'too_dear', expected: { answer: 'too_dear' } },
    { answer: 'no_budget', expected: { answer: 'no_budget' } },
    { answer: 'job_final', expected: { answer: 'ended' } },
    { answer: 'cancel_requested', expected: { answer: 'ended' } },
  ] as const)('whose ticket is $answer leaves it where it was', ({ answer, expected }) => {
    const moved: Fact = { kind: 'moved', ticket: { attempt: 1, target: 1, kind: 'first' }, answer };
    const story = storyOf(twoTargets, [wish(1)], [moved]);
    expect(story.ticket?.target).toBe(0);
    expect(story.wish).toMatchObject(expected);
  });

  test.each([
    { what: 'live', told: live() },
    { what: 'unknown', told: unknown },
    { what: 'being sent', told: [[permit()], [submitting()]] as readonly Told[] },
  ])('beside one that is $what needs force, and is an overlap then', ({ told }) => {
    const story = storyOf(twoTargets, ...told);
    expect(refusal(story, 1)).toMatch(/may still be paid/);
    expect(refusal(story, 1, { isForced: true })).toBeUndefined();
    const forced = heard(story, wish(1, true), start);
    expect(nextStep(forced, start)).toMatchObject({
      kind: 'queue',
      ticket: { attempt: 2, target: 1, kind: 'overlap' },
    });
  });

  test('may be for the same target once more', () => {
    const story = storyOf(twoTargets, ...live(), [wish(0, true)]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, target: 0, kind: 'overlap' } });
  });

  test('is refused while a video is being copied, and with force gives the copy up after a minute', () => {
    const story = storyOf(twoTargets, ...live(), ...copying());
    expect(refusal(story, 1)).toMatch(/being copied/);
    expect(refusal(story, 1, { isForced: true, now: start + 59_999 })).toMatch(/Wait a minute/);
    expect(refusal(story, 1, { now: start + 60_000 })).toMatch(/With force/);
    expect(refusal(story, 1, { isForced: true, now: start + 60_000 })).toBeUndefined();
    // Nobody noted that the copy is given up: it is not.
    expect(heard(story, wish(1, true), start + 60_000)).toMatchObject({
      attempts: [{ phase: 'storing' }],
      wish: { answer: 'overtaken' },
    });
    const forced = heard(story, wish(1, true, [1]), start + 60_000);
    expect(forced.attempts).toMatchObject([{ phase: 'failed', failure: { code: 'output_expired' } }]);
    expect(nextStep(forced, start + 60_000)).toMatchObject({ kind: 'queue', ticket: { attempt: 2, kind: 'retry' } });
    // The copy that was given up says so, later: nothing comes of it.
    expect(heard(forced, storeFailed(1, 'timed_out', { retry: 'never' }), start + 60_001)).toEqual(forced);
  });

  test('of a copy that was given up and ends well all the same leaves the job with its video', () => {
    const given = [...live(), ...copying(), [wish(1, true, [1])] as const];
    const ours = { kind: 'settle', verdict: { phase: 'completed', attempt: 1 } };
    // While another one is asked for, while it is made, and while it is copied in its turn.
    for (const meanwhile of [[], [queued(2, 1)], live(2), [...live(2), ...copying(2)]]) {
      const story = storyOf(twoTargets, ...given, ...meanwhile, [stored(1)]);
      expect(nextStep(story, start)).toEqual(ours);
      expect(story.attempts[0]).not.toHaveProperty('failure');
    }
  });

  test('takes no video for one whose attempt has failed otherwise', () => {
    const story = storyOf(twoTargets, ...live(), [failed(1, 'provider_failed')]);
    expect(heard(story, stored(1), start)).toEqual(story);
  });

  test('is not fulfilled later when a permit, or a video, came first', () => {
    const granted = storyOf(twoTargets, [wish(1)], [permit()]);
    expect(nextStep(granted, start)).toMatchObject({ kind: 'submit', attempt: { number: 1 } });
    expect(heard(granted, submitting(), start).wish?.answer).toBe('overtaken');
    const made = storyOf(twoTargets, ...live(), [wish(1, true)], [finished()]);
    expect(made.wish?.answer).toBe('overtaken');
    expect(nextStep(made, start)).toMatchObject({ kind: 'store' });
  });

  test('is one at a time', () => {
    const story = storyOf(threeTargets, [wish(1)]);
    expect(refusal(story, 2)).toMatch(/Another repair/);
    expect(heard(story, wish(2), start)).toEqual(story);
  });

  test('is refused where the request itself is at fault, and where the job has had all its attempts', () => {
    const other: readonly Told[] = [...live(1), ...live(2)];
    expect(refusal(storyOf(twoTargets, ...other, [failed(1, 'moderation')]), 1, { isForced: true })).toMatch(
      /The request itself/,
    );
    const attempts = Array.from({ length: limits.attemptsOfJobMax }, (_, index) =>
      live(index + 1, { target: 0 }),
    ).flat();
    expect(refusal(storyOf(twoTargets, ...attempts), 1, { isForced: true })).toMatch(/as many as one may have/);
    // No copy is given up for an attempt that there can't be.
    const story = storyOf(twoTargets, ...attempts, ...copying(limits.attemptsOfJobMax));
    expect(refusal(story, 1, { isForced: true, now: start + 60_000 })).toMatch(/as many as one may have/);
  });

  test('of a job that ends is answered so', () => {
    expect(storyOf(twoTargets, [wish(1)], [{ kind: 'cancel' }]).wish?.answer).toBe('ended');
    expect(storyOf(twoTargets, ...live(), ...kept(), [wish(1, true)]).wish?.answer).toBe('ended');
  });

  test.each(['queued', 'moved', 'granted', 'too_dear', 'no_budget', 'overtaken', 'ended'] as const)(
    '%s is said in a sentence',
    (answer) => {
      const story = storyOf(twoTargets);
      expect(outcomeOfWish(story, { id: 'w', target: 1, isForced: false, answer })).toMatch(/^[A-Z].+\.$/);
    },
  );
});

test('the last target is that of the last attempt that was sent', () => {
  expect(lastTarget(storyOf(twoTargets))).toBeUndefined();
  expect(lastTarget(storyOf(twoTargets, [permit()]))).toBeUndefined();
  expect(lastTarget(storyOf(twoTargets, ...waiting))).toBe(0);
  expect(lastTarget(storyOf(twoTargets, ...waiting, ...live(2)))).toBe(1);
});

describe('more time', () => {
  test('moves the run deadline of what was sent, and nothing of what was not', () => {
    const extended: Fact = { kind: 'extended', byMs: 60_000 };
    const story = storyOf(twoTargets, ...live());
    expect(heard(story, extended, start).runDeadlineAt).toBe((story.runDeadlineAt ?? 0) + 60_000);
    expect(storyOf(twoTargets, [extended]).runDeadlineAt).toBeNull();
  });

  test.each([
    { what: 'waits', told: [] as readonly Told[] },
    { what: 'was sent', told: live() },
    { what: 'waits for another attempt', told: waiting },
    {
      what: 'has another attempt on its way',
      told: [...live(), [failed(1, 'no_credit')], [permit(2)], [submitting(2)]],
    },
  ] as const)('is given to a job that $what', ({ told }) => {
    expect(refusalOfExtension(storyOf(twoTargets, ...told))).toBeUndefined();
  });

  test('is refused while the first attempt is being sent, which sets the deadline: it would be lost', () => {
    const story = storyOf(twoTargets, [permit()], [submitting()]);
    expect(refusalOfExtension(story)).toMatch(/Attempt 1 is just being sent.+Repeat this once/);
    const again = heard(heard(story, submitted(1, 'permit_lost'), start), permit(2, 0), start);
    expect(refusalOfExtension(heard(again, submitting(2), start))).toMatch(/Attempt 2 is just being sent/);
  });
});

describe('giving up', () => {
  test.each([
    { what: 'waits', told: waiting },
    { what: 'is live', told: live() },
    { what: 'is being copied', told: [...live(), ...copying()] },
  ] as const)('ends a job that $what', ({ told }) => {
    const step = nextStep(storyOf(twoTargets, ...told, [{ kind: 'giveUp' }]), start);
    expect(step).toEqual({ kind: 'settle', verdict: { phase: 'failed', failure: failureOf('terminated') } });
  });

  test('comes after a video that is ours already', () => {
    const step = nextStep(storyOf(twoTargets, ...live(), ...kept(), [{ kind: 'giveUp' }]), start);
    expect(step).toEqual({ kind: 'settle', verdict: { phase: 'completed', attempt: 1 } });
  });
});

/** What the world does at one moment: to the newest attempt where it is about one. */
interface Happening {
  readonly afterMs: number;
  readonly fact:
    | {
        readonly kind: 'end';
        readonly of: 'finished' | 'no_credit' | 'rate_limited' | 'queued';
      }
    | { readonly kind: 'grant' | 'answer' | 'copied' | 'copyFailed' | 'pollNow' | 'extended' | 'giveUp' | 'cancel' }
    | { readonly kind: 'spilled'; readonly target: number }
    | { readonly kind: 'wish'; readonly target: number; readonly isForced: boolean };
}

interface World {
  readonly happenings: readonly Happening[];
  readonly answers: readonly ('accepted' | 'unknown' | 'permit_lost')[];
  readonly queueAnswers: readonly QueueAnswer[];
  readonly moveAnswers: readonly MoveAnswer[];
}

interface Sent {
  readonly number: number;
  readonly target: number;
  /** Attempts that might have been paid already, and nobody had forced another one beside them. */
  readonly unforced: readonly number[];
}

/** Lives a job through with an operator at hand; nothing is answered at once, so that everything may come in between. */
function repairedLife({ happenings, answers, queueAnswers, moveAnswers }: World) {
  const [nextAnswer, nextQueue, nextMove] = [cycle(answers), cycle(queueAnswers), cycle(moveAnswers)];
  const sent: Sent[] = [];
  const copiesBegun: number[] = [];
  let story = storyOf(threeTargets);
  let now = start;
  let ticketAt: number | undefined = 0;
  const hear = (fact: Fact): void => void (story = heard(story, fact, now));

  const act = (): Step => {
    for (let steps = 0; steps < 200; steps += 1) {
      const step = nextStep(story, now);
      switch (step.kind) {
        case 'submit': {
          const { number, target } = step.attempt;
          const others = story.attempts.filter((one) => one.number !== number && isAtStake(one));
          sent.push({ number, target, unforced: others.map((one) => one.number) });
          hear(submitting(number));
          break;
        }
        case 'watch':
          hear({ kind: 'watching', attempt: step.attempt.number });
          break;
        case 'store':
          copiesBegun.push(step.attempt.number);
          hear(storing(step.attempt.number));
          break;
        case 'queue': {
          const answer = step.ticket.kind === 'retry' && story.ticket !== null ? 'queued' : nextQueue();
          if (answer === 'queued') ticketAt = step.ticket.target;
          hear({ kind: 'ticket', ticket: step.ticket, answer });
          break;
        }
        case 'move': {
          const answer = nextMove();
          if (answer === 'moved') ticketAt = step.ticket.target;
          hear({ kind: 'moved', ticket: step.ticket, answer });
          break;
        }
        case 'wait':
        case 'settle':
          return step;
      }
    }
    throw new Error('the story does not come to rest');
  };

  for (const { afterMs, fact } of happenings) {
    if (act().kind === 'settle') break;
    now += afterMs;
    // Each copy ends once, whether it was given up meanwhile or not: the newest first.
    const copy = fact.kind === 'copied' || fact.kind === 'copyFailed' ? copiesBegun.pop() : undefined;
    if (fact.kind === 'spilled') ticketAt = fact.target;
    for (const one of factsOf(story, { fact, ticketAt, copy, answer: nextAnswer() })) hear(one);
  }
  const last = act();
  return { story, sent, last };
}

function factsOf(
  story: Story,
  {
    fact,
    ticketAt,
    copy,
    answer,
  }: {
    fact: Happening['fact'];
    ticketAt: number | undefined;
    copy: number | undefined;
    answer: World['answers'][number];
  },
): readonly Fact[] {
  const newest = (phases: readonly string[]) => story.attempts.findLast(({ phase }) => phases.includes(phase))?.number;
  switch (fact.kind) {
    case 'grant':
      return story.ticket === null
        ? []
        : [{ kind: 'permit', attempt: story.ticket.attempt, target: ticketAt ?? story.ticket.target, grant: 'g' }];
    case 'answer': {
      const attempt = newest(['submitting']);
      return attempt === undefined ? [] : [submitted(attempt, answer)];
    }
    case 'copied':
      return copy === undefined ? [] : [stored(copy)];
    case 'copyFailed':
      return copy === undefined ? [] : [storeFailed(copy, 'output_expired')];
    case 'spilled':
      return story.ticket === null
        ? []
        : [{ kind: 'line', refusal: null, to: { attempt: story.ticket.attempt, target: fact.target } }];
    case 'extended':
      return [{ kind: 'extended', byMs: 60_000 }];
    case 'end': {
      const attempt = newest(['live', 'unknown']);
      if (attempt === undefined) return [];
      if (fact.of === 'finished') return [finished(attempt)];
      return fact.of === 'queued' ? [reported(attempt, { outcome: 'queued' })] : [failed(attempt, fact.of)];
    }
    case 'wish': {
      // As the validator has it, and at any other moment as well: the note of it takes a while.
      const { target, isForced } = fact;
      const copies = isForced ? story.attempts.filter(isUnkept).map(({ number }) => number) : [];
      return [{ kind: 'wish', wish: { id: `${story.attempts.length}`, target, isForced }, copies }];
    }
    case 'pollNow':
    case 'giveUp':
    case 'cancel':
      return [{ kind: fact.kind }];
  }
}

function cycle<Value>(values: readonly Value[]): () => Value {
  let index = 0;
  return () => {
    const value = values[index % values.length];
    index += 1;
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  };
}

const anyFact = (mayForce: boolean): fc.Arbitrary<Happening['fact']> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('grant' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('answer' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('copyFailed', 'pollNow', 'extended' as const) }) },
    // These end the job: rarely enough that much happens before.
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('copied', 'giveUp', 'cancel' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('spilled' as const), target: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        of: fc.constantFrom('finished', 'no_credit', 'rate_limited', 'queued' as const),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('wish' as const),
        target: fc.nat(2),
        isForced: mayForce ? fc.boolean() : fc.constant(false),
      }),
    },
  );

const anyWorld = (mayForce: boolean): fc.Arbitrary<World> =>
  fc.record({
    happenings: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 50_000 }), fact: anyFact(mayForce) }), {
      maxLength: 150,
    }),
    answers: fc.array(fc.constantFrom('accepted', 'unknown', 'permit_lost' as const), { minLength: 1, maxLength: 4 }),
    queueAnswers: fc.array(fc.constantFrom<QueueAnswer>('queued', 'queued', 'queued', 'too_dear'), {
      minLength: 1,
      maxLength: 4,
    }),
    moveAnswers: fc.array(fc.constantFrom<MoveAnswer>('moved', 'moved', 'gone', 'too_dear', 'no_budget'), {
      minLength: 1,
      maxLength: 4,
    }),
  });

test('whatever happens and whatever an operator does: no attempt is sent twice, and no more than there may be', () => {
  fc.assert(
    fc.property(anyWorld(true), (world) => {
      const { sent, story } = repairedLife(world);
      const numbers = sent.map(({ number }) => number);
      expect(numbers).toEqual([...new Set(numbers)]);
      expect(story.attempts.length).toBeLessThanOrEqual(limits.attemptsOfJobMax);
    }),
    { numRuns: 500 },
  );
});

test('whatever happens: without force, and within patience, nothing is sent beside what may still be paid', () => {
  fc.assert(
    fc.property(anyWorld(false), (world) => {
      const { sent } = repairedLife({
        ...world,
        // Within patience: its end sends beside a live one by itself, and rightly.
        happenings: world.happenings.map((happening) => ({ ...happening, afterMs: Math.min(happening.afterMs, 500) })),
      });
      expect(sent.filter(({ unforced }) => unforced.length > 0)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('whatever happens: no wish stays open while the job rests', () => {
  fc.assert(
    fc.property(anyWorld(true), (world) => {
      const { story, last } = repairedLife(world);
      if (last.kind !== 'wait') return;
      expect(story.wish === undefined || story.wish.answer !== undefined).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('whatever happens: a video that is ours is the job`s, unless somebody has ended it before', () => {
  fc.assert(
    fc.property(anyWorld(true), (world) => {
      const { story, last } = repairedLife(world);
      const winner = story.attempts.find(({ phase }) => phase === 'stored');
      if (winner === undefined) return;
      expect(last).toEqual({ kind: 'settle', verdict: { phase: 'completed', attempt: winner.number } });
    }),
    { numRuns: 200 },
  );
});
