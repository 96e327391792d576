import { limits } from './limits/limits.ts';
import { overlapTarget } from './next-target.ts';
import { lookMs } from './poll-schedule.ts';
import { type AttemptStory, isUnkept, type Story, targetOf } from './story.ts';

/** When time alone changes what is to be done, and why. */
export interface Moment {
  readonly at: number;
  readonly why: 'poll' | 'patience' | 'run_deadline';
  /** Whose poll or patience it is. */
  readonly attempt?: number;
}

/** One timer: the nearest of next poll, next overlap and run deadline. None while only the POST is under way. */
export function nextMoment(story: Story, now: number): Moment | null {
  const { runDeadlineAt } = story;
  // A copy has a deadline of its own.
  if (story.attempts.some(({ phase }) => phase === 'storing')) return null;
  const waiting = story.attempts.filter((attempt) => attempt.phase === 'live' || attempt.phase === 'unknown');
  if (waiting.length === 0 && story.ticket === null) return null;
  const moments: readonly Moment[] = [
    ...waiting
      .filter(isUnwatched)
      .map((attempt) => ({ at: watchAt(story, attempt), why: 'poll', attempt: attempt.number }) as const),
    ...(overlapTarget(story) === undefined
      ? []
      : waiting.map(
          (attempt) => ({ at: overlapAt(story, attempt), why: 'patience', attempt: attempt.number }) as const,
        )),
    ...(runDeadlineAt === null ? [] : [{ at: runDeadlineAt, why: 'run_deadline' } as const]),
  ];
  return moments.reduce<Moment | null>((nearest, moment) => {
    if (moment.at <= now || !Number.isFinite(moment.at)) return nearest;
    return nearest === null || moment.at < nearest.at ? moment : nearest;
  }, null);
}

/** A video that is there and paid for has the time of its copy as well. */
export function deadlineOf(story: Story): number | null {
  if (story.runDeadlineAt === null) return null;
  return story.attempts.some(isUnkept) ? story.runDeadlineAt + limits.storeMsMax : story.runDeadlineAt;
}

export function isUnwatched(attempt: AttemptStory): boolean {
  return (attempt.phase === 'live' || attempt.phase === 'unknown') && attempt.watchedAt === null;
}

/** When the attempt's poll is due: as planned, or when patience ends first and there is somebody else to try. */
export function watchAt(story: Story, attempt: AttemptStory): number {
  if (overlapTarget(story) === undefined) return attempt.checkAt;
  return Math.min(attempt.checkAt, patienceEndsAt(story, attempt));
}

/** From when on the attempt keeps nobody from trying beside it: never, unless it is watched. */
export function overlapAt(story: Story, attempt: AttemptStory): number {
  if (attempt.watchedAt === null) return Infinity;
  return Math.max(patienceEndsAt(story, attempt), attempt.watchedAt + lookMs(targetOf(story, attempt)));
}

export function patienceEndsAt(story: Story, attempt: AttemptStory): number {
  // A POST that is still under way has its own, shorter deadline.
  if (attempt.phase === 'submitting') return Infinity;
  return attempt.since + targetOf(story, attempt).patienceMs;
}
