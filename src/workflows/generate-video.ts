import { CancellationScope, condition, defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import type { GenerateVideoInput, GenerateVideoResult, PermitMail } from '../contracts/generate-video.ts';
import {
  type CallbackMail,
  callbackSignalName,
  cancelSignalName,
  type HintMail,
  hintSignalName,
  permitSignalName,
  type Timeline,
  timelineQueryName,
} from '../contracts/generate-video.ts';
import { nextStep, type Verdict } from '../domain/next-step.ts';
import { heard } from '../domain/heard.ts';
import { type AttemptStory, type Fact, isLive, openStory, type Story, targetOf } from '../domain/story.ts';
import { queueAttempt, settleJob, stopAttempt, storeAsset, submitAttempt, watchAttempt } from './activities.ts';

const permitSignal = defineSignal<[PermitMail]>(permitSignalName);
const callbackSignal = defineSignal<[CallbackMail]>(callbackSignalName);
const hintSignal = defineSignal<[HintMail]>(hintSignalName);
const cancelSignal = defineSignal(cancelSignalName);
const timelineQuery = defineQuery<Timeline>(timelineQueryName);

/**
 * One job, from its first permit to the verdict that stands. Facts arrive as signals and as answers of activities and
 * are folded into the story; `nextStep` decides; this loop carries out. Postgres has the last word on every outcome.
 */
export async function generateVideo(input: GenerateVideoInput): Promise<GenerateVideoResult> {
  const { jobId, permit } = input;
  let story = openStory(input, Date.now());
  const polls = new Map<number, CancellationScope>();
  let copy: CancellationScope | undefined;
  const inBackground = { submit, watch, store };
  // Before the handlers: a callback that waits for them, as after a reset, has to find its attempt.
  if (permit !== undefined) hear({ kind: 'permit', ...permit });
  listen(hear, () => story);
  return CancellationScope.nonCancellable(liveThrough);

  async function liveThrough(): Promise<GenerateVideoResult> {
    for (;;) {
      const step = nextStep(story, Date.now());
      switch (step.kind) {
        case 'submit':
        case 'watch':
        case 'store':
          inBackground[step.kind](step.attempt);
          break;
        case 'queue':
          hear({ kind: 'ticket', ticket: step.ticket, answer: await queueAttempt({ jobId, ...step }) });
          break;
        case 'wait':
          await nextFact(step.untilMs);
          break;
        case 'settle':
          return await settle(step.verdict);
      }
    }
  }

  function hear(fact: Fact): void {
    story = heard(story, fact, Date.now());
    if (fact.kind === 'reported') polls.get(fact.attempt)?.cancel();
  }

  async function nextFact(untilMs: number | null): Promise<void> {
    const told: Story = story;
    const isNews = (): boolean => story !== told;
    await (untilMs === null ? condition(isNews) : condition(isNews, untilMs - Date.now()));
  }

  /** A callback may well arrive before the submit's own answer. */
  function submit({ number: attempt, target, grant }: AttemptStory): void {
    hear({ kind: 'submitting', attempt });
    go(async () => {
      hear({ kind: 'submitted', attempt, answer: await submitAttempt({ jobId, attempt, target, grant }) });
    });
  }

  function watch({ number: attempt, target }: AttemptStory): void {
    hear({ kind: 'watching', attempt });
    const scope = new CancellationScope({ cancellable: true });
    polls.set(attempt, scope);
    go(async () => {
      const report = await scope.run(() => watchAttempt({ jobId, attempt, target }));
      if (report !== undefined) hear({ kind: 'reported', attempt, report });
    });
  }

  /** One at a time, and a cancel does not wait for it. */
  function store({ number: attempt }: AttemptStory): void {
    hear({ kind: 'storing', attempt });
    const scope = (copy = new CancellationScope({ cancellable: true }));
    go(async () => {
      hear({ kind: 'stored', attempt, answer: await scope.run(() => storeAsset({ jobId, attempt })) });
    });
  }

  /** Settle first, tidy up at the provider afterwards: the caller never waits for that. */
  async function settle(verdict: Verdict): Promise<GenerateVideoResult> {
    const standing = await settleJob({ jobId, verdict });
    for (const scope of [...polls.values(), copy]) scope?.cancel();
    const losers = story.attempts.filter((attempt) => isLive(attempt) && targetOf(story, attempt).stoppable);
    await Promise.all(losers.map(({ number: attempt }) => stopAttempt({ jobId, attempt })));
    return standing;
  }
}

/** What comes from outside, by the mailbox, by an operator, or by Cancel in Temporal UI, which means the same as our own. */
function listen(hear: (fact: Fact) => void, tell: () => Timeline): void {
  setHandler(permitSignal, (mail) => hear({ kind: 'permit', ...mail }));
  setHandler(callbackSignal, ({ attempt, ...report }) => hear({ kind: 'reported', attempt, report }));
  setHandler(hintSignal, ({ attempt }) => hear({ kind: 'hint', attempt }));
  setHandler(cancelSignal, () => hear({ kind: 'cancel' }));
  setHandler(timelineQuery, tell);
  CancellationScope.current().cancelRequested.catch(() => hear({ kind: 'cancel' }));
}

/** What fails here fails the workflow task, loudly, until it is mended: expected failures are answers. */
function go(work: () => Promise<void>): void {
  void work();
}
