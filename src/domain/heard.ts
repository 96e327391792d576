import type { Failure } from './failure.ts';
import { answerWish, hearLine, hearMove, hearPollNow, hearWish, judgeWish, movedTo } from './heard-repair.ts';
import { firstCheckDelayMs } from './poll-schedule.ts';
import { failureAt, type RouteTarget, runBudgetMs } from './route.ts';
import { type AttemptStory, type Fact, isLive, type Story, targetOf, type TicketStory } from './story.ts';

/** Folds one fact in. Whatever is told twice, late or of an attempt that has ended changes nothing. */
export function heard(story: Story, fact: Fact, now: number): Story {
  return judgeWish(fold(story, fact, now));
}

function fold(story: Story, fact: Fact, now: number): Story {
  switch (fact.kind) {
    case 'permit':
      return hearPermit(story, fact, now);
    case 'ticket':
      return hearTicket(story, fact, now);
    case 'submitting':
      return {
        ...change(story, fact.attempt, { phase: 'submitting', since: now, checkAt: now }),
        runDeadlineAt: story.runDeadlineAt ?? now + runBudgetMs(story.route),
      };
    case 'submitted':
      return hearSubmitted(story, fact, now);
    case 'watching':
      return change(story, fact.attempt, { watchedAt: now });
    case 'reported':
      return hearReport(story, fact, now);
    case 'storing':
      return hearStoring(story, fact.attempt, now);
    case 'stored':
      return hearStored(story, fact);
    case 'hint':
      return change(story, fact.attempt, { checkAt: now });
    case 'cancel':
      return { ...story, cancelled: true };
    case 'line':
      return hearLine(story, fact);
    case 'pollNow':
      return hearPollNow(story, now);
    case 'wish':
      return hearWish(story, fact);
    case 'moved':
      return hearMove(story, fact);
    case 'extended':
      return story.runDeadlineAt === null ? story : { ...story, runDeadlineAt: story.runDeadlineAt + fact.byMs };
    case 'giveUp':
      return { ...story, givenUp: true };
  }
}

type FactOf<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>;

function hearPermit(story: Story, fact: FactOf<'permit'>, now: number): Story {
  if (story.attempts.some((attempt) => attempt.number === fact.attempt)) return story;
  const { attempt: number, target, grant } = fact;
  const granted: AttemptStory = { number, target, grant, phase: 'granted', since: now, checkAt: now, watchedAt: null };
  // A job has one place in the queue: whatever number the permit has, it came from there.
  const ticket = story.ticket === null || story.ticket.attempt <= number ? null : story.ticket;
  const { refusal: _before, ...rest } = story;
  // It was said to those who wait.
  return { ...(ticket === null ? rest : story), ticket, attempts: [...story.attempts, granted] };
}

function hearTicket(before: Story, { ticket, answer }: FactOf<'ticket'>, now: number): Story {
  const story = answerWish(before, { ticket, answer });
  if (answer === 'job_final') return { ...story, over: true };
  if (answer === 'cancel_requested') return { ...story, cancelled: true };
  if (answer === 'too_dear') return { ...story, tooDear: [...(story.tooDear ?? []), ticket.target] };
  // The permit may have overtaken the answer.
  if (story.attempts.some((attempt) => attempt.number === ticket.attempt)) return story;
  const waitingSince = story.ticket === null ? now : (story.waitingSince ?? now);
  return { ...movedTo(story, ticket), waitingSince };
}

function hearSubmitted(story: Story, { attempt, answer }: FactOf<'submitted'>, now: number): Story {
  switch (answer.kind) {
    case 'accepted':
      return hearStarted(story, { attempt, phase: 'live', now });
    case 'unknown':
      return hearStarted(story, { attempt, phase: 'unknown', now });
    case 'refused':
      return fail(story, attempt, answer.failure);
    case 'permit_lost':
      return change(story, attempt, { phase: 'void' });
    case 'job_final':
      return { ...change(story, attempt, { phase: 'void' }), over: true };
    case 'cancel_requested':
      return { ...change(story, attempt, { phase: 'void' }), cancelled: true };
  }
}

function hearStarted(story: Story, start: { attempt: number; phase: 'live' | 'unknown'; now: number }): Story {
  const { attempt: number, phase, now } = start;
  const attempt = story.attempts.find((candidate) => candidate.number === number);
  if (attempt === undefined) return story;
  const since = phase === 'live' ? now : attempt.since;
  // A lost answer is looked for soon: the provider's list may have the job.
  const delayMs = phase === 'live' ? firstCheckDelayMs(targetOf(story, attempt)) : unknownCheckDelayMs;
  // A hint may overtake the answer to the POST; it is followed as soon as there is somebody to ask.
  const wasHinted = attempt.phase === 'submitting' && attempt.checkAt > attempt.since;
  return change(story, number, { phase, since, checkAt: wasHinted ? now : since + delayMs });
}

/** Milliseconds after an ambiguous POST: enough for an early callback, short against any video. */
const unknownCheckDelayMs = 5_000;

function hearReport(story: Story, { attempt: number, report }: FactOf<'reported'>, now: number): Story {
  switch (report.outcome) {
    case 'finished':
      return finish(story, number, now);
    case 'failed':
      return fail(story, number, report.failure);
    case 'queued':
      return replace(story, number, (attempt) => {
        if (hasEnded(attempt)) return attempt;
        const checkAt = now + queuedCheckDelayMs(targetOf(story, attempt));
        return { ...attempt, since: now, checkAt, watchedAt: null };
      });
  }
}

/** While the provider itself still queues the job there is nothing to hurry for. */
function queuedCheckDelayMs(target: RouteTarget): number {
  return Math.min(Math.max(target.typicalMs, 15_000), 60_000);
}

/**
 * The copy begins with the withdrawal of what was not sent yet: should it fail, that is asked for anew, under another
 * number, for a permit may be on its way.
 */
function hearStoring(story: Story, number: number, now: number): Story {
  if (!story.attempts.some((attempt) => attempt.number === number && attempt.phase === 'finished')) return story;
  const attempts = story.attempts.map((attempt): AttemptStory => {
    if (attempt.number === number) return { ...attempt, phase: 'storing' };
    return attempt.phase === 'granted' ? { ...attempt, phase: 'void' } : attempt;
  });
  return { ...story, ticket: null, attempts: [...attempts, ...withdrawn(story.ticket, now)] };
}

function withdrawn(ticket: TicketStory | null, now: number): readonly AttemptStory[] {
  if (ticket === null) return [];
  const { attempt: number, target } = ticket;
  return [{ number, target, grant: '', phase: 'void', since: now, checkAt: now, watchedAt: null }];
}

/**
 * A copy that could not be made is a failure of its attempt like any other. One that was given up and ends well all the same
 * is the job's video: it is paid for, and ours.
 */
function hearStored(story: Story, { attempt: number, answer }: FactOf<'stored'>): Story {
  if (answer.kind === 'job_final') return { ...story, over: true };
  return replace(story, number, (attempt) => {
    if (answer.kind === 'stored') return attempt.phase === 'storing' || attempt.isCopyGivenUp ? kept(attempt) : attempt;
    return attempt.phase === 'storing' ? { ...attempt, phase: 'failed', failure: answer.failure } : attempt;
  });
}

function kept({ failure: _failure, isCopyGivenUp: _given, ...attempt }: AttemptStory): AttemptStory {
  return { ...attempt, phase: 'stored' };
}

/** A video counts also where we had given up on the answer to its POST: it is paid for. */
function finish(story: Story, number: number, now: number): Story {
  return replace(story, number, (attempt) =>
    !hasEnded(attempt) || isGivenUp(attempt) ? { ...attempt, phase: 'finished', since: now, watchedAt: null } : attempt,
  );
}

function isGivenUp(attempt: AttemptStory): boolean {
  return attempt.phase === 'failed' && attempt.failure?.code === 'ambiguous_submit';
}

/** One that failed may have cost nothing: what was too dear beside it is asked for once more. */
function fail(story: Story, number: number, failure: Failure): Story {
  const asking = story.tooDear === undefined ? story : { ...story, tooDear: [] };
  return replace(asking, number, (attempt) => {
    if (hasEnded(attempt)) return attempt;
    return { ...attempt, phase: 'failed', failure: failureAt(targetOf(story, attempt), failure), watchedAt: null };
  });
}

function change(story: Story, number: number, changes: Partial<AttemptStory>): Story {
  return replace(story, number, (attempt) => (hasEnded(attempt) ? attempt : { ...attempt, ...changes }));
}

function replace(story: Story, number: number, update: (attempt: AttemptStory) => AttemptStory): Story {
  const attempts = story.attempts.map((attempt) => (attempt.number === number ? update(attempt) : attempt));
  return { ...story, attempts };
}

/** Whether the provider has nothing more to say of it. */
function hasEnded(attempt: AttemptStory): boolean {
  return attempt.phase !== 'granted' && !isLive(attempt);
}
