import { assert } from './assert.ts';
import type { Failure } from './failure.ts';
import { firstCheckDelayMs } from './poll-schedule.ts';
import { type Route, type RouteTarget, runBudgetMs } from './route.ts';

/**
 * What a job has lived through so far, as its workflow knows it. Plain data: facts are folded in by `heard`, and
 * `nextStep` (next-step.ts) decides on it. Times are milliseconds since the epoch, by the workflow's clock.
 */
export interface Story {
  readonly route: Route;
  readonly attempts: readonly AttemptStory[];
  /** The place in the queue that we hold and wait on, if any. */
  readonly ticket: TicketStory | null;
  readonly cancelled: boolean;
  /** Somebody else has ended the job: only the standing verdict is left to ask for. */
  readonly over: boolean;
  readonly runDeadlineAt: number | null;
}

export interface AttemptStory {
  readonly number: number;
  /** Index into the route. */
  readonly target: number;
  readonly grant: string;
  /**
   * `granted`: may be submitted. `submitting`: the POST is under way. `live`: the provider works on it. `unknown`: it
   * may. `finished` and `failed`: it does not any more. `void`: it was never sent, and never will be.
   */
  readonly phase: 'granted' | 'submitting' | 'live' | 'unknown' | 'finished' | 'failed' | 'void';
  readonly failure?: Failure;
  /** From here on patience counts: acceptance, the POST when that is unknown, or when it was last seen queued. */
  readonly since: number;
  readonly checkAt: number;
  /** When the poll that is under way was begun; it goes on by itself until the provider is done. Null: there is none. */
  readonly watchedAt: number | null;
}

export interface TicketStory {
  readonly attempt: number;
  readonly target: number;
  readonly kind: 'first' | 'retry' | 'overlap';
}

export type Fact =
  | { readonly kind: 'permit'; readonly attempt: number; readonly target: number; readonly grant: string }
  | { readonly kind: 'ticket'; readonly ticket: TicketStory; readonly answer: QueueAnswer }
  | { readonly kind: 'submitting'; readonly attempt: number }
  | { readonly kind: 'submitted'; readonly attempt: number; readonly answer: SubmitAnswer }
  | { readonly kind: 'watching'; readonly attempt: number }
  | { readonly kind: 'reported'; readonly attempt: number; readonly report: AttemptReport }
  | { readonly kind: 'hint'; readonly attempt: number }
  | { readonly kind: 'cancel' };

export type QueueAnswer = 'queued' | 'granted' | 'job_final' | 'cancel_requested';

/** What came of one submit. The last three say that nothing was sent, and why. */
export type SubmitAnswer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'job_final' }
  | { readonly kind: 'cancel_requested' }
  | { readonly kind: 'permit_lost' };

/** A provider's word on an attempt: by callback, or by the poll. */
export type AttemptReport =
  | { readonly outcome: 'finished' }
  | { readonly outcome: 'failed'; readonly failure: Failure }
  | { readonly outcome: 'queued' };

/** An attempt that a workflow finds in the ledger when it starts, because an earlier run of it was lost. */
export interface KnownAttempt {
  readonly attempt: number;
  readonly target: number;
  readonly grant: string;
  readonly phase: 'live' | 'unknown' | 'finished' | 'failed';
  readonly failure?: Failure;
}

/** What a run of the workflow begins with. */
export interface Opening {
  readonly route: Route;
  /** What the ledger holds when an earlier run was lost. */
  readonly known?: readonly KnownAttempt[];
  /** With `known`: when the job must end, counted from its first POST, so that a new run has no more time. */
  readonly runDeadlineAt?: number;
}

/** The beginning: without a permit the job waits for the one of its first ticket. */
export function openStory({ route, known = [], runDeadlineAt }: Opening, now: number): Story {
  const opened: Story = { route, attempts: [], ticket: null, cancelled: false, over: false, runDeadlineAt: null };
  if (known.length === 0) return { ...opened, ticket: { attempt: 1, target: 0, kind: 'first' } };
  const attempts = known.map(({ attempt, ...rest }) => ({
    number: attempt,
    since: now,
    checkAt: now,
    watchedAt: null,
    ...rest,
  }));
  return { ...opened, attempts, runDeadlineAt: runDeadlineAt ?? now + runBudgetMs(route) };
}

/** Folds one fact in. Whatever is told twice, late or of an attempt that has ended changes nothing. */
export function heard(story: Story, fact: Fact, now: number): Story {
  switch (fact.kind) {
    case 'permit':
      return hearPermit(story, fact, now);
    case 'ticket':
      return hearTicket(story, fact);
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
    case 'hint':
      return change(story, fact.attempt, { checkAt: now });
    case 'cancel':
      return { ...story, cancelled: true };
  }
}

/** The route's entry of an attempt. */
export function targetOf(story: Story, attempt: Pick<AttemptStory, 'target'>): RouteTarget {
  const target = story.route[attempt.target];
  assert(target, `the route has no target ${attempt.target}`);
  return target;
}

/** Whether the provider works on the attempt, or may. */
export function isLive(attempt: AttemptStory): boolean {
  return attempt.phase === 'live' || attempt.phase === 'unknown' || attempt.phase === 'submitting';
}

type FactOf<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>;

function hearPermit(story: Story, fact: FactOf<'permit'>, now: number): Story {
  if (story.attempts.some((attempt) => attempt.number === fact.attempt)) return story;
  const { attempt: number, target, grant } = fact;
  const granted: AttemptStory = { number, target, grant, phase: 'granted', since: now, checkAt: now, watchedAt: null };
  // A job has one place in the queue: whatever number the permit has, it came from there.
  const ticket = story.ticket === null || story.ticket.attempt <= number ? null : story.ticket;
  return { ...story, ticket, attempts: [...story.attempts, granted] };
}

function hearTicket(story: Story, { ticket, answer }: FactOf<'ticket'>): Story {
  if (answer === 'job_final') return { ...story, over: true };
  if (answer === 'cancel_requested') return { ...story, cancelled: true };
  // The permit may have overtaken the answer.
  if (story.attempts.some((attempt) => attempt.number === ticket.attempt)) return story;
  return { ...story, ticket };
}

function hearSubmitted(story: Story, { attempt, answer }: FactOf<'submitted'>, now: number): Story {
  switch (answer.kind) {
    case 'accepted':
      return hearStarted(story, { attempt, phase: 'live', now });
    case 'unknown':
      return hearStarted(story, { attempt, phase: 'unknown', now });
    case 'refused':
      return change(story, attempt, { phase: 'failed', failure: answer.failure });
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
      return finish(story, number);
    case 'failed':
      return change(story, number, { phase: 'failed', failure: report.failure, watchedAt: null });
    case 'queued': {
      const attempt = story.attempts.find((candidate) => candidate.number === number);
      if (attempt === undefined) return story;
      return change(story, number, {
        since: now,
        checkAt: now + queuedCheckDelayMs(targetOf(story, attempt)),
        watchedAt: null,
      });
    }
  }
}

/** While the provider itself still queues the job there is nothing to hurry for. */
function queuedCheckDelayMs(target: RouteTarget): number {
  return Math.min(Math.max(target.typicalMs, 15_000), 60_000);
}

function change(story: Story, number: number, changes: Partial<AttemptStory>): Story {
  const attempts = story.attempts.map((attempt) =>
    attempt.number === number && !hasEnded(attempt) ? { ...attempt, ...changes } : attempt,
  );
  return { ...story, attempts };
}

/** A video counts also where we had given up on the answer to its POST: it is paid for. */
function finish(story: Story, number: number): Story {
  const attempts = story.attempts.map((attempt) =>
    attempt.number === number && (!hasEnded(attempt) || isGivenUp(attempt))
      ? { ...attempt, phase: 'finished' as const, watchedAt: null }
      : attempt,
  );
  return { ...story, attempts };
}

function isGivenUp(attempt: AttemptStory): boolean {
  return attempt.phase === 'failed' && attempt.failure?.code === 'submit_unknown';
}

function hasEnded(attempt: AttemptStory): boolean {
  return attempt.phase === 'finished' || attempt.phase === 'failed' || attempt.phase === 'void';
}
