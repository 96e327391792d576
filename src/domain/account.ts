import { limits } from './limits/limits.ts';
import { type Moment, nextMoment } from './next-moment.ts';
import { firstUntried } from './next-target.ts';
import { type AttemptPhase, type AttemptStory, isAtStake, type Story, targetOf } from './story.ts';
import type { Stuck } from './stuck.ts';
import { adviceOf } from './stuck-advice.ts';

export interface Accounted {
  readonly jobId: string;
  readonly story: Story;
  readonly stuck: Stuck | undefined;
}

/**
 * A job's own account for Temporal UI, in Markdown: where it stands and since when, what is next, its attempts, and of a stuck
 * one the cause with a command that is safe. Ids, names of targets, moments and codes only: it is stored nowhere, but shown.
 */
export function accountOf({ jobId, story, stuck }: Accounted, now: number): string {
  const parts = [
    stateOf(story),
    ...(stuck === undefined ? [] : [stuckPart({ jobId, story, stuck })]),
    nextPart(story, nextMoment(story, now)),
    attemptsPart(story),
    `To look closer: \`npm run ops -- show ${jobId}\``,
  ];
  return parts.join('\n\n').slice(0, limits.detailsCharsMax);
}

/** A moment as people read it, in UTC. */
export function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function stateOf(story: Story): string {
  const { ticket, waitingSince } = story;
  if (story.cancelled) return '**Is being cancelled.**';
  if (story.givenUp) return '**Was given up by an operator** and is ending.';
  const busy = story.attempts.filter(isAtStake);
  const waits =
    ticket === null
      ? []
      : [
          `**Waits for its permit** at \`${targetOf(story, ticket).name}\`, as attempt ${ticket.attempt} (${ticket.kind})` +
            (waitingSince === undefined ? '' : `, since ${utc(waitingSince)}`) +
            (story.refusal === undefined ? '.' : `; the provider says \`${story.refusal}\` to its line.`),
        ];
  const works = busy.map(
    (attempt) =>
      `**Attempt ${attempt.number}** at \`${targetOf(story, attempt).name}\` ${phases[attempt.phase]}, since ${utc(attempt.since)}.`,
  );
  return [...works, ...waits].join(' ') || '**Is between two steps.**';
}

function stuckPart({ jobId, story, stuck }: Accounted & { readonly stuck: Stuck }): string {
  const at = story.attempts.find(({ number }) => number === stuck.attempt) ?? story.ticket;
  const elsewhere = firstUntried(story, at?.target);
  const advice = adviceOf(stuck, {
    jobId,
    target: at === null ? null : targetOf(story, at).name,
    elsewhere: elsewhere === undefined ? null : (story.route[elsewhere]?.name ?? null),
  });
  return [
    `> **Stuck: \`${stuck.cause}\`** since ${utc(stuck.since)}. ${advice.sentence}`,
    `> ${advice.nextStep}`,
    `> \`${advice.command}\``,
  ].join('\n>\n');
}

function nextPart({ runDeadlineAt }: Story, moment: Moment | null): string {
  const next = moment === null ? 'what is under way answers' : `${sentenceOf(moment)}, at ${utc(moment.at)}`;
  const deadline =
    runDeadlineAt === null ? 'None before its first attempt is sent.' : `${utc(runDeadlineAt)}, then it fails.`;
  return `Next: ${next}.\n\nRun deadline: ${deadline}`;
}

/** What a moment is about: the summary of its timer, too. */
export function sentenceOf({ why, attempt }: Moment): string {
  if (why === 'run_deadline') return 'run deadline';
  return why === 'poll' ? `next poll of attempt ${attempt}` : `patience with attempt ${attempt} ends`;
}

function attemptsPart(story: Story): string {
  if (story.attempts.length === 0) return 'No attempt was sent yet.';
  const shown = story.attempts.slice(-limits.attemptsInDetailsMax);
  const before = story.attempts.length - shown.length;
  const rows = shown.map((attempt) => rowOf(story, attempt));
  const head = '| attempt | target | permit | state | since | failure |\n|---|---|---|---|---|---|';
  return [...(before === 0 ? [] : [`${before} earlier attempts are not shown.`, '']), head, ...rows].join('\n');
}

function rowOf(story: Story, attempt: AttemptStory): string {
  const { number, grant, phase, since, failure } = attempt;
  const began = isAtStake(attempt) || phase === 'granted' ? utc(since) : '';
  const code = [failure?.code, failure?.vendorCode].filter((one) => one !== undefined).join(' ');
  return `| ${number} | ${targetOf(story, attempt).name} | ${grant} | ${phases[phase]} | ${began} | ${code} |`;
}

const phases: Readonly<Record<AttemptPhase, string>> = {
  granted: 'has its permit',
  submitting: 'is being sent',
  live: 'is with the provider',
  unknown: 'has no answer to its submit',
  finished: 'has made its video',
  storing: 'has made its video, which is being copied',
  stored: 'is our video',
  failed: 'has failed',
  void: 'was never sent',
};
