import { assert } from './assert.ts';
import { failureOf, type Failure } from './failure.ts';
import { isOpen } from './heard-repair.ts';
import { deadlineOf, isUnwatched, nextMoment, overlapAt, watchAt } from './next-moment.ts';
import { delayAfter, overlapTarget, targetAfter } from './next-target.ts';
import { type AttemptStory, faultOf, isLive, type Story, type TicketStory } from './story.ts';

/** The end of a job as its workflow proposes it. The database decides which verdict stands. */
export type Verdict =
  | { readonly phase: 'completed'; readonly attempt: number }
  | { readonly phase: 'failed'; readonly failure: Failure }
  | { readonly phase: 'cancelled' };

/** What to do now. `wait` carries the nearest moment at which time alone changes the answer, if there is one. */
export type Step =
  | { readonly kind: 'settle'; readonly verdict: Verdict }
  | { readonly kind: 'submit'; readonly attempt: AttemptStory }
  | { readonly kind: 'watch'; readonly attempt: AttemptStory }
  | { readonly kind: 'store'; readonly attempt: AttemptStory }
  | { readonly kind: 'queue'; readonly ticket: TicketStory; readonly waitMs: number }
  /** The ticket that waits, to another target of the route. */
  | { readonly kind: 'move'; readonly ticket: TicketStory }
  | { readonly kind: 'wait'; readonly untilMs: number | null };

/**
 * The whole policy of a job under way, in order of precedence. Results come before timeouts, so that a video that
 * became ours in the same instant as its deadline counts. Money looks before it leaps: nobody is paid while a finished
 * video is being copied, nor beside an attempt that was not asked for first. Called again after every step until it says
 * `wait`.
 */
export function nextStep(story: Story, now: number): Step {
  return (
    settleOnResult(story) ??
    settleOnEnd(story, now) ??
    keepVideo(story) ??
    submitGranted(story) ??
    fulfilWish(story) ??
    queueAfterFailure(story) ??
    queueOverlap(story, now) ??
    watchOverdue(story, now) ?? { kind: 'wait', untilMs: nextMoment(story, now)?.at ?? null }
  );
}

/** The verdict that a job is proposed to end with when somebody else has ended it already: it will not be the one. */
const superseded: Verdict = { phase: 'cancelled' };

function settleOnResult(story: Story): Step | undefined {
  const winner = story.attempts.find((attempt) => attempt.phase === 'stored');
  if (winner !== undefined) return { kind: 'settle', verdict: { phase: 'completed', attempt: winner.number } };
  if (story.over) return { kind: 'settle', verdict: superseded };
  return undefined;
}

function settleOnEnd(story: Story, now: number): Step | undefined {
  if (story.cancelled) return { kind: 'settle', verdict: { phase: 'cancelled' } };
  if (story.givenUp) return fail(failureOf('terminated'));
  const deadlineAt = deadlineOf(story);
  if (deadlineAt !== null && deadlineAt <= now) return fail(failureOf('timed_out', { retry: 'never' }));
  return undefined;
}

/** One copy at a time, which has a deadline of its own: while it is under way there is nothing to do, or to time. */
function keepVideo(story: Story): Step | undefined {
  if (story.attempts.some(({ phase }) => phase === 'storing')) return { kind: 'wait', untilMs: null };
  const attempt = story.attempts.find(({ phase }) => phase === 'finished');
  return attempt && { kind: 'store', attempt };
}

/** A request that was found at fault is sent to nobody else: its permit goes back when the job is settled. */
function submitGranted(story: Story): Step | undefined {
  if (faultOf(story) !== undefined) return undefined;
  const attempt = story.attempts.find((candidate) => candidate.phase === 'granted');
  return attempt && { kind: 'submit', attempt };
}

/** What an operator wants, as far as it is still to be had. What was granted is sent first, and may forbid it. */
function fulfilWish(story: Story): Step | undefined {
  const { wish, ticket } = story;
  if (!isOpen(wish) || story.attempts.some(({ phase }) => phase === 'granted')) return undefined;
  const { target } = wish;
  if (ticket !== null) return { kind: 'move', ticket: { ...ticket, target } };
  const kind = story.attempts.some(isLive) ? 'overlap' : 'retry';
  return { kind: 'queue', ticket: { attempt: nextNumber(story), target, kind }, waitMs: 0 };
}

/** Nobody works on the job any more: the next attempt goes to the head of the line, or the job has failed. */
function queueAfterFailure(story: Story): Step | undefined {
  if (story.attempts.some(isLive) || story.attempts.length === 0) return undefined;
  const fault = faultOf(story);
  if (fault !== undefined) return fail(fault);
  const last = lastEnded(story);
  if (story.ticket?.kind === 'overlap') return { kind: 'queue', ticket: { ...story.ticket, kind: 'retry' }, waitMs: 0 };
  if (story.ticket !== null) return undefined;

  const target = targetAfter(story, last);
  if (target === undefined) return fail(last.failure ?? failureOf('no_target_left'));
  return {
    kind: 'queue',
    ticket: { attempt: nextNumber(story), target, kind: 'retry' },
    waitMs: delayAfter(story, last),
  };
}

/**
 * Patience is over with everybody who works on the job, and a poll of each had time to answer: the next target may try
 * as well, the first success wins. Without that look a lost callback, or our own absence, would buy a second video.
 */
function queueOverlap(story: Story, now: number): Step | undefined {
  const live = story.attempts.filter(isLive);
  const target = overlapTarget(story);
  if (live.length === 0 || target === undefined) return undefined;
  if (live.some((attempt) => overlapAt(story, attempt) > now)) return undefined;
  return { kind: 'queue', ticket: { attempt: nextNumber(story), target, kind: 'overlap' }, waitMs: 0 };
}

function watchOverdue(story: Story, now: number): Step | undefined {
  const attempt = story.attempts.find((candidate) => isUnwatched(candidate) && watchAt(story, candidate) <= now);
  return attempt && { kind: 'watch', attempt };
}

function fail(failure: Failure): Step {
  return { kind: 'settle', verdict: { phase: 'failed', failure } };
}

function lastEnded(story: Story): AttemptStory {
  const last = story.attempts.toSorted((one, other) => one.number - other.number).at(-1);
  assert(last, 'some attempt has ended');
  return last;
}

function nextNumber(story: Story): number {
  return Math.max(0, ...story.attempts.map((attempt) => attempt.number)) + 1;
}
