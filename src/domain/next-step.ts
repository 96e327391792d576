import { assert } from './assert.ts';
import { failureOf, type Failure } from './failure.ts';
import { limits } from './limits.ts';
import { delayAfter, firstUntried, targetAfter } from './next-target.ts';
import { lookMs } from './poll-schedule.ts';
import { type AttemptStory, isLive, isUnkept, type Story, targetOf, type TicketStory } from './story.ts';

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
    queueAfterFailure(story) ??
    queueOverlap(story, now) ??
    watchOverdue(story, now) ?? { kind: 'wait', untilMs: nextMoment(story, now) }
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
  const deadlineAt = deadlineOf(story);
  if (deadlineAt !== null && deadlineAt <= now) return fail(failureOf('timed_out', { retry: 'never' }));
  return undefined;
}

/** A video that is there and paid for has the time of its copy as well. */
function deadlineOf(story: Story): number | null {
  if (story.runDeadlineAt === null) return null;
  return story.attempts.some(isUnkept) ? story.runDeadlineAt + limits.storeMsMax : story.runDeadlineAt;
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

/** One timer: the nearest of next poll, next overlap and run deadline. None while only the POST is under way. */
function nextMoment(story: Story, now: number): number | null {
  const waiting = story.attempts.filter((attempt) => attempt.phase === 'live' || attempt.phase === 'unknown');
  if (waiting.length === 0 && story.ticket === null) return null;
  const moments = [
    ...waiting.filter(isUnwatched).map((attempt) => watchAt(story, attempt)),
    ...(overlapTarget(story) === undefined ? [] : waiting.map((attempt) => overlapAt(story, attempt))),
    ...(story.runDeadlineAt === null ? [] : [story.runDeadlineAt]),
  ].filter((moment) => moment > now && Number.isFinite(moment));
  return moments.length === 0 ? null : Math.min(...moments);
}

function isUnwatched(attempt: AttemptStory): boolean {
  return (attempt.phase === 'live' || attempt.phase === 'unknown') && attempt.watchedAt === null;
}

/** When the attempt's poll is due: as planned, or when patience ends first and there is somebody else to try. */
function watchAt(story: Story, attempt: AttemptStory): number {
  if (overlapTarget(story) === undefined) return attempt.checkAt;
  return Math.min(attempt.checkAt, patienceEndsAt(story, attempt));
}

/** From when on the attempt keeps nobody from trying beside it: never, unless it is watched. */
function overlapAt(story: Story, attempt: AttemptStory): number {
  if (attempt.watchedAt === null) return Infinity;
  return Math.max(patienceEndsAt(story, attempt), attempt.watchedAt + lookMs(targetOf(story, attempt)));
}

function patienceEndsAt(story: Story, attempt: AttemptStory): number {
  // A POST that is still under way has its own, shorter deadline.
  if (attempt.phase === 'submitting') return Infinity;
  return attempt.since + targetOf(story, attempt).patienceMs;
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

/** Where an attempt may go while another one is live, if anywhere. */
function overlapTarget(story: Story): number | undefined {
  if (story.ticket !== null || faultOf(story) !== undefined) return undefined;
  return story.attempts.length < limits.attemptsOfJobMax ? firstUntried(story) : undefined;
}

/** The failure of a request that no target will do better with. */
function faultOf(story: Story): Failure | undefined {
  return story.attempts.find(({ failure }) => failure?.retry === 'never')?.failure;
}
