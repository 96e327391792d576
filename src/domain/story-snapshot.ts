import { patienceEndsAt } from './next-moment.ts';
import { firstCheckDelayMs } from './poll-schedule.ts';
import { type AttemptStory, isAtStake, type Story, targetOf } from './story.ts';
import { type AttemptSnapshot, type JobSnapshot, refusals } from './stuck.ts';

/** The job as `stuckOf` judges it. Of its webhooks, and of its own tasks' failures, a workflow knows nothing. */
export function snapshotOf(story: Story): JobSnapshot {
  const { ticket, waitingSince, refusal } = story;
  const waiting =
    ticket === null || waitingSince === undefined
      ? null
      : {
          since: waitingSince,
          target: targetOf(story, ticket).name,
          refusal: lastFailure(story, ticket.target) ?? refusal ?? null,
        };
  const attempts = story.attempts.flatMap((attempt) => snapshotOfAttempt(story, attempt) ?? []);
  return { waiting, attempts, webhook: null, taskFailingSince: null };
}

/** What the provider has said to the job itself counts where it still waits for the same. */
function lastFailure({ attempts }: Story, target: number) {
  const last = attempts.findLast(({ phase }) => phase === 'failed');
  const code = last?.target === target ? last.failure?.code : undefined;
  // Another failure says nothing of why it waits: then its line does.
  return code !== undefined && refusals.includes(code) ? code : undefined;
}

/** A POST under way has a deadline of its own, which is shorter than any that counts here. */
function snapshotOfAttempt(story: Story, attempt: AttemptStory): AttemptSnapshot | undefined {
  if (!isAtStake(attempt) || attempt.phase === 'submitting') return undefined;
  const { number, since, phase } = attempt;
  const target = targetOf(story, attempt);
  return {
    attempt: number,
    target: target.name,
    provider: target.provider,
    state: phase === 'live' || phase === 'unknown' ? phase : 'keeping',
    since,
    // Not the story's own, which a hint or an operator brings forward: the callback is not late for that.
    checkAt: since + firstCheckDelayMs(target),
    patienceEndsAt: patienceEndsAt(story, attempt),
    callbacks: target.callbacks,
  };
}
