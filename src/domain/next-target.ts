import type { Failure } from './failure.ts';
import { limits } from './limits/limits.ts';
import { type AttemptStory, faultOf, type Story } from './story.ts';

/** Where the next attempt goes: the same target while its failure allows, else the first one that was never tried. */
export function targetAfter(story: Story, last: AttemptStory): number | undefined {
  if (story.attempts.length >= limits.attemptsOfJobMax) return undefined;
  const untried = firstUntried(story);
  if (story.tooDear?.includes(last.target)) return untried;
  if (last.phase === 'void') return last.target;
  const failure = last.failure;
  if (failure?.retry !== 'same') return untried;
  if (failuresAlike(story, last) < triesOf(failure)) return last.target;
  // A refusal for load is no verdict on the request: where there is nobody else, stay in line.
  return untried ?? (failure.code === 'rate_limited' ? last.target : undefined);
}

/** What the vendor asked for, else doubling from one second; nothing where the next target is another one. */
export function delayAfter(story: Story, last: AttemptStory): number {
  if (last.failure?.retry !== 'same' || targetAfter(story, last) !== last.target) return 0;
  const doubling = limits.retryDelayMsMin * 2 ** (failuresAlike(story, last) - 1);
  const wanted = last.failure.retryAfterMs ?? Math.min(doubling, limits.retryDelayMsMax);
  return Math.min(wanted, limits.retryAfterMsMax);
}

/** An index into the route, of a target that may be paid. `besides`: that one does not count either. */
export function firstUntried(story: Story, besides?: number): number | undefined {
  const tried = new Set([besides, ...story.attempts.map((attempt) => attempt.target), ...(story.tooDear ?? [])]);
  const index = story.route.findIndex((_, target) => !tried.has(target));
  return index === -1 ? undefined : index;
}

/** Where an attempt may go while another one is live, if anywhere. */
export function overlapTarget(story: Story): number | undefined {
  if (story.ticket !== null || faultOf(story) !== undefined) return undefined;
  return story.attempts.length < limits.attemptsOfJobMax ? firstUntried(story) : undefined;
}

function failuresAlike(story: Story, last: AttemptStory): number {
  return story.attempts.filter(({ target, failure }) => target === last.target && failure?.code === last.failure?.code)
    .length;
}

function triesOf(failure: Failure): number {
  if (failure.code === 'rate_limited') return limits.rateLimitedTriesOfTargetMax;
  if (failure.code === 'unreachable') return limits.unreachableTriesOfTargetMax;
  return limits.failedTriesOfTargetMax;
}
