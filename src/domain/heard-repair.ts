import { failureOf } from './failure.ts';
import { limits } from './limits/limits.ts';
import {
  type AttemptStory,
  type Fact,
  faultOf,
  isAtStake,
  isUnkept,
  type MoveAnswer,
  type QueueAnswer,
  type Story,
  type TicketStory,
  type Wish,
  type WishAnswer,
} from './story.ts';

/** Every provider that has an attempt, or may, is asked at once, also while its next poll waits for its moment. */
export function hearPollNow(story: Story, now: number): Story {
  const attempts = story.attempts.map((attempt): AttemptStory =>
    attempt.phase === 'live' || attempt.phase === 'unknown' ? { ...attempt, checkAt: now, watchedAt: null } : attempt,
  );
  return { ...story, attempts };
}

/** One wish at a time. The copies that were given up for it, as the note of it says, are none any more in either case. */
export function hearWish(before: Story, { wish, copies = [] }: Extract<Fact, { kind: 'wish' }>): Story {
  const attempts = before.attempts.map((attempt): AttemptStory =>
    isUnkept(attempt) && copies.includes(attempt.number)
      ? { ...attempt, phase: 'failed', failure: failureOf('output_expired'), isCopyGivenUp: true }
      : attempt,
  );
  const story = copies.length === 0 ? before : { ...before, attempts };
  return isOpen(story.wish) ? story : { ...story, wish };
}

export function hearMove(story: Story, { ticket, answer }: { ticket: TicketStory; answer: MoveAnswer }): Story {
  if (answer === 'job_final') return { ...story, over: true };
  if (answer === 'cancel_requested') return { ...story, cancelled: true };
  const answered = withAnswer(story, answer === 'gone' ? 'granted' : answer);
  // The permit may have overtaken the answer.
  if (answer !== 'moved' || story.ticket?.attempt !== ticket.attempt) return answered;
  return movedTo(answered, { ...story.ticket, target: ticket.target });
}

/** News of the line that it waits in, or of another one that it was sent to. */
export function hearLine(before: Story, { refusal, to }: Extract<Fact, { kind: 'line' }>): Story {
  const { ticket } = before;
  // Its permit may have overtaken the news: of what waits now it says nothing.
  if (to !== undefined && ticket?.attempt !== to.attempt) return before;
  const story = to === undefined || ticket === null ? before : movedTo(before, { ...ticket, target: to.target });
  const { refusal: _before, ...rest } = story;
  return refusal === null ? rest : { ...rest, refusal };
}

/** What the provider said to one line says nothing of another one. */
export function movedTo(story: Story, ticket: TicketStory): Story {
  if (story.ticket?.target === ticket.target) return { ...story, ticket };
  const { refusal: _before, ...rest } = story;
  return { ...rest, ticket };
}

/** The queue's answer is the wish's where it was asked for the wish's target. */
export function answerWish(story: Story, asked: { readonly ticket: TicketStory; readonly answer: QueueAnswer }): Story {
  const { ticket, answer } = asked;
  if (answer === 'job_final' || answer === 'cancel_requested' || story.wish?.target !== ticket.target) return story;
  return withAnswer(story, answer);
}

/** A wish that what has happened meanwhile forbids is not fulfilled later, when nobody thinks of it any more. */
export function judgeWish(story: Story): Story {
  if (!isOpen(story.wish)) return story;
  if (story.over || story.cancelled || story.givenUp || story.attempts.some(({ phase }) => phase === 'stored'))
    return withAnswer(story, 'ended');
  return mayBeFulfilled(story, story.wish) ? story : withAnswer(story, 'overtaken');
}

/** Whether the wish still waits for its answer. */
export function isOpen(wish: Wish | undefined): wish is Wish {
  return wish !== undefined && wish.answer === undefined;
}

function mayBeFulfilled(story: Story, { isForced }: Wish): boolean {
  if (faultOf(story) !== undefined || story.attempts.some(isUnkept)) return false;
  // What waits is paid once, wherever it waits.
  if (story.ticket !== null) return true;
  return story.attempts.length < limits.attemptsOfJobMax && (isForced || !story.attempts.some(isAtStake));
}

function withAnswer(story: Story, answer: WishAnswer): Story {
  return isOpen(story.wish) ? { ...story, wish: { ...story.wish, answer } } : story;
}
