import { assert } from './assert.ts';
import type { Failure, FailureCode } from './failure.ts';
import { failureAt, type Route, type RouteTarget, runBudgetMs } from './route.ts';

/**
 * What a job has lived through so far, as its workflow knows it. Plain data: facts are folded in by `heard` (heard.ts),
 * and `nextStep` (next-step.ts) decides on it. Times are milliseconds since the epoch, by the workflow's clock.
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
  /** Targets at which another attempt would cost more than the job may, as its attempts stand now. Absent: none. */
  readonly tooDear?: readonly number[];
  /** Since when the ticket waits. */
  readonly waitingSince?: number;
  /** What the provider says to those who wait where we do. Absent: it is only full. */
  readonly refusal?: FailureCode;
  /** An operator has ended the job. */
  readonly givenUp?: boolean;
  /** Where an operator wants the next attempt, and what came of it. The last wish only. */
  readonly wish?: Wish;
}

/** What waits goes there; where nothing waits, another attempt is asked for. */
export interface Wish {
  /** The id of the update that it came by. */
  readonly id: string;
  /** Index into the route. */
  readonly target: number;
  /** Also beside what may still be paid. */
  readonly isForced: boolean;
  /** Absent: not yet. */
  readonly answer?: WishAnswer;
}

/**
 * `queued`: another attempt waits there. `moved`: what waited does. `granted`: it had its permit already. `too_dear`: it
 * would cost more than the job may. `no_budget`: its tenant's budget has no room for it now. `overtaken`: what has happened
 * meanwhile forbids it. `ended`: the job has.
 */
export type WishAnswer = 'queued' | 'moved' | 'granted' | 'too_dear' | 'no_budget' | 'overtaken' | 'ended';

export interface AttemptStory {
  readonly number: number;
  /** Index into the route. */
  readonly target: number;
  readonly grant: string;
  readonly phase: AttemptPhase;
  readonly failure?: Failure;
  /** It failed because its copy was given up for another attempt; what runs of that may end well all the same. */
  readonly isCopyGivenUp?: boolean;
  /**
   * From here on patience counts: acceptance, the POST when that is unknown, or when it was last seen queued. Of a video that
   * is being kept: when it was made.
   */
  readonly since: number;
  readonly checkAt: number;
  /** When the poll that is under way was begun; it goes on by itself until the provider is done. Null: there is none. */
  readonly watchedAt: number | null;
}

/**
 * `granted`: may be submitted. `submitting`: the POST is under way. `live`: the provider works on it. `unknown`: it may.
 * `finished`: it has made the video, which is not ours yet. `storing`: we copy it. `stored`: it is ours. `failed`: there
 * is none, or none to be had. `void`: it was never sent, and never will be.
 */
export type AttemptPhase =
  | 'granted'
  | 'submitting'
  | 'live'
  | 'unknown'
  | 'finished'
  | 'storing'
  | 'stored'
  | 'failed'
  | 'void';

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
  | { readonly kind: 'storing'; readonly attempt: number }
  | { readonly kind: 'stored'; readonly attempt: number; readonly answer: StoreAnswer }
  | { readonly kind: 'hint'; readonly attempt: number }
  | { readonly kind: 'cancel' }
  /** Of the line that it waits in. `to`: the ticket of that attempt was sent on, and waits there now. */
  | { readonly kind: 'line'; readonly refusal: FailureCode | null; readonly to?: Omit<TicketStory, 'kind'> }
  | { readonly kind: 'pollNow' }
  /** `copies`: attempts whose copy was given up for it. */
  | { readonly kind: 'wish'; readonly wish: Wish; readonly copies?: readonly number[] }
  | { readonly kind: 'moved'; readonly ticket: TicketStory; readonly answer: MoveAnswer }
  | { readonly kind: 'extended'; readonly byMs: number }
  | { readonly kind: 'giveUp' };

/** `too_dear`: it has no place, for with what the job's other attempts cost it would cost more than it may. */
export type QueueAnswer = 'queued' | 'granted' | 'job_final' | 'cancel_requested' | 'too_dear';

/** What became of a ticket that was to go elsewhere. `gone`: it does not wait any more, its permit is on its way. */
export type MoveAnswer = 'moved' | 'gone' | 'job_final' | 'cancel_requested' | 'too_dear' | 'no_budget';

/** What came of one submit. The last three say that nothing was sent, and why. */
export type SubmitAnswer =
  /** `operation`: what the vendor calls it, for whoever has to write the ledger's row once more. */
  | { readonly kind: 'accepted'; readonly operation?: string }
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

/** What came of the copy of a finished video. `job_final`: nobody waits for it any more. */
export type StoreAnswer =
  | { readonly kind: 'stored' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'job_final' };

/** An attempt that a workflow finds in the ledger when it starts, because an earlier run of it was lost. */
export interface KnownAttempt {
  readonly attempt: number;
  readonly target: number;
  readonly grant: string;
  readonly phase: 'live' | 'unknown' | 'finished' | 'stored' | 'failed';
  readonly failure?: Failure;
}

/** What a run of the workflow begins with. */
export interface Opening {
  readonly route: Route;
  /** What the ledger holds when an earlier run was lost. */
  readonly known?: readonly KnownAttempt[];
  /** With `known`: when the job must end, counted from its first POST, so that a new run has no more time. */
  readonly runDeadlineAt?: number;
  /** Of a job that is shown because it waits: since when. */
  readonly waitingSince?: number;
  /** Of the same: what the provider says to its line, where that is more than full. */
  readonly refusal?: FailureCode;
  /** Of the same: the target of its ticket, where that was sent on. Index into the route. */
  readonly ticketTarget?: number;
}

/** The beginning: without a permit the job waits for the one of its first ticket. */
export function openStory({ route, known = [], runDeadlineAt, ...line }: Opening, now: number): Story {
  const opened: Story = { route, attempts: [], ticket: null, cancelled: false, over: false, runDeadlineAt: null };
  if (known.length === 0) {
    const { waitingSince, refusal, ticketTarget: target = 0 } = line;
    const ticket = { attempt: 1, target, kind: 'first' } as const;
    return { ...opened, ticket, waitingSince: waitingSince ?? now, ...(refusal !== undefined && { refusal }) };
  }
  const attempts = known.map(({ attempt, failure, ...rest }): AttemptStory => {
    const found = { number: attempt, since: now, checkAt: now, watchedAt: null, ...rest };
    return failure === undefined ? found : { ...found, failure: failureAt(targetOf(opened, rest), failure) };
  });
  return { ...opened, attempts, runDeadlineAt: runDeadlineAt ?? now + runBudgetMs(route) };
}

/** The route's entry of an attempt. */
export function targetOf({ route }: Pick<Story, 'route'>, attempt: Pick<AttemptStory, 'target'>): RouteTarget {
  const target = route[attempt.target];
  assert(target, `the route has no target ${attempt.target}`);
  return target;
}

/** Whether the provider works on the attempt, or may. */
export function isLive({ phase }: Pick<AttemptStory, 'phase'>): boolean {
  return phase === 'live' || phase === 'unknown' || phase === 'submitting';
}

/** Whether it may be paid still, or was paid for a video that is not ours yet. */
export function isAtStake(attempt: Pick<AttemptStory, 'phase'>): boolean {
  return isLive(attempt) || isUnkept(attempt);
}

/** The failure of a request that no target will do better with. */
export function faultOf(story: Pick<Story, 'attempts'>): Failure | undefined {
  return story.attempts.find(({ failure }) => failure?.retry === 'never')?.failure;
}

/** Whether there is a video at the provider that is still to become ours. */
export function isUnkept({ phase }: Pick<AttemptStory, 'phase'>): boolean {
  return phase === 'finished' || phase === 'storing';
}
