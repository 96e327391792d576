import type { Stuck, StuckCause } from './stuck.ts';

/** What advice needs to know of a stuck job beside its cause. */
export interface AdvisedJob {
  readonly jobId: string;
  /** Where it waits or runs. Null: nowhere, since only its webhook is at stake. */
  readonly target: string | null;
  /** Another target of its route, if there is one. */
  readonly elsewhere?: string | null;
}

/** The same in Temporal UI, in `npm run ops`, in the admin API and in the runbook. */
export interface StuckAdvice {
  /** The cause, in one sentence that a caller may read too. */
  readonly sentence: string;
  /** What to do, for an operator. */
  readonly nextStep: string;
  /** To be copied into a shell. It may be run at any time, twice as well, and never pays for a second video. */
  readonly command: string;
}

export function adviceOf({ cause, attempt }: Stuck, job: AdvisedJob): StuckAdvice {
  const { nextStep, command } = advices[cause];
  return { sentence: sentenceOfCause({ cause, attempt }), nextStep: nextStep(job), command: command(job) };
}

/** Without what only operators may know: no provider, no account, no command. */
export function sentenceOfCause({
  cause,
  attempt,
}: {
  readonly cause: StuckCause;
  readonly attempt?: number | undefined;
}): string {
  return advices[cause].sentence(attempt === undefined ? 'An attempt' : `Attempt ${attempt}`);
}

interface Advice {
  readonly sentence: (attempt: string) => string;
  readonly nextStep: (job: AdvisedJob) => string;
  readonly command: (job: AdvisedJob) => string;
}

const advices: Readonly<Record<StuckCause, Advice>> = {
  workflow_task_failing: {
    sentence: () => 'The workflow of the job fails whenever it is to go on.',
    nextStep: () =>
      'Read the error in Temporal UI. After a deploy it is most often a build that cannot replay the history: put the build before back, or deploy one that can. The job goes on by itself then.',
    command: show,
  },
  submit_unknown: {
    sentence: (attempt) => `${attempt} was sent, and the answer to it was lost: the provider may have taken it.`,
    nextStep: ({ target }) =>
      `Ask again at once. Once its grace is over the policy of ${nameOf(target)} decides. Do not send it again by hand: both may be paid for.`,
    command: pollNow('its answer was lost'),
  },
  storing_asset: {
    sentence: (attempt) => `${attempt} has made the video, and the copy of it is not finished.`,
    nextStep: () =>
      'Check that the object store takes writes and that the file server of the provider answers. The copy is tried for an hour, and buys nothing.',
    command: show,
  },
  no_credit: {
    sentence: () => 'The account at the provider is out of credit, so nothing is sent there.',
    nextStep: ({ target }) =>
      `Top up the account of ${nameOf(target)}. The next probe notices, and the line moves by itself.${orElsewhere}`,
    command: elsewhereOrLater('the account is out of credit'),
  },
  provider_refusing: {
    sentence: () => 'The provider refuses what is sent to it, so the job waits.',
    nextStep: ({ target }) =>
      `See what ${nameOf(target)} answers: \`auth\` wants another key, \`rate_limited\` a lower limit of the pool, \`unreachable\` and \`provider_failed\` patience. Probes go on by themselves.${orElsewhere}`,
    command: elsewhereOrLater('the provider refuses'),
  },
  polling_provider_slow: {
    sentence: (attempt) => `${attempt} takes longer than it usually does.`,
    nextStep: ({ target }) =>
      `Ask ${nameOf(target)} at once. Another target is tried by itself where there is one; to try beside it by hand may pay twice.`,
    command: pollNow('it takes too long'),
  },
  waiting_callback_overdue: {
    sentence: (attempt) => `${attempt} should have ended by now, and the provider has not called back.`,
    nextStep: () =>
      'The poll finds the end without the callback. Should many be late, check that providers reach PUBLIC_URL: npm run doctor.',
    command: pollNow('its callback is late'),
  },
  waiting_capacity: {
    sentence: () => 'It waits for room at the provider: others are served before it.',
    nextStep: () =>
      'See whether the pool is full, paused, or held by zombies. If the account allows more, raise the limit of the pool: npm run ops -- limits.',
    command: () => 'npm run ops -- overview',
  },
  webhook_failing: {
    sentence: () => 'A webhook of the job was not taken by its receiver, and is tried again.',
    nextStep: () =>
      'The receiver has to answer with 2xx; the log of tries says what it answered. Tries go on for three days, and nothing of the video depends on them.',
    command: show,
  },
};

const orElsewhere = ' Who cannot wait may go to another target of the route.';

function show({ jobId }: AdvisedJob): string {
  return `npm run ops -- show ${jobId}`;
}

function pollNow(reason: string): Advice['command'] {
  return ({ jobId }) => `npm run ops -- repair poll-now ${jobId} --reason "${reason}"`;
}

/** Nothing of the job is under way, so that nothing can be paid twice. */
function elsewhereOrLater(reason: string): Advice['command'] {
  return ({ jobId, elsewhere }) =>
    elsewhere === undefined || elsewhere === null
      ? `npm run ops -- repair extend-deadline ${jobId} --seconds 3600 --reason "${reason}"`
      : `npm run ops -- repair switch-target ${jobId} --target ${elsewhere} --reason "${reason}"`;
}

function nameOf(target: string | null): string {
  return target ?? 'its target';
}
