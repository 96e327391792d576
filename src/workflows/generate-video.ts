import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
} from '@temporalio/workflow';
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
import { sentenceOf } from '../domain/account.ts';
import { heard } from '../domain/heard.ts';
import { nextMoment } from '../domain/next-moment.ts';
import { nextStep, type Verdict } from '../domain/next-step.ts';
import { type Fact, openStory, type Story, type TicketStory } from '../domain/story.ts';
import { moveTicket, queueAttempt, settleJob } from './activities.ts';
import { createBackground, placeOf } from './background.ts';
import { createNoticeBoard } from './notice-board.ts';
import { takeRepairs } from './repairs.ts';

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
  let isEnding = false;
  const tell = (): Story => story;
  const board = createNoticeBoard(input);
  const background = createBackground({ jobId, tell, hear });
  // Before the handlers: a callback that waits for them, as after a reset, has to find its attempt.
  if (permit !== undefined) hear({ kind: 'permit', ...permit });
  listen(hear, tell);
  takeRepairs({ jobId, story: tell, hear, isEnding: () => isEnding });
  return CancellationScope.nonCancellable(liveThrough);

  async function liveThrough(): Promise<GenerateVideoResult> {
    for (;;) {
      const step = nextStep(story, Date.now());
      switch (step.kind) {
        case 'submit':
        case 'watch':
        case 'store':
          background[step.kind](step.attempt);
          break;
        case 'queue':
          await queue(step);
          break;
        case 'move':
          await move(step.ticket);
          break;
        case 'wait':
          await nextFact();
          break;
        case 'settle':
          return await settle(step.verdict);
      }
    }
  }

  function hear(fact: Fact): void {
    story = heard(story, fact, Date.now());
    background.follow(fact);
  }

  async function nextFact(): Promise<void> {
    const told = story;
    const isNews = (): boolean => story !== told;
    const moment = nextMoment(story, Date.now());
    const untilMs = Math.min(moment?.at ?? Infinity, board.show(story) ?? Infinity);
    const summary = moment?.at === untilMs ? sentenceOf(moment) : 'whether it is stuck';
    await (untilMs === Infinity ? condition(isNews) : condition(isNews, untilMs - Date.now(), { summary }));
  }

  async function queue({ ticket, waitMs }: { ticket: TicketStory; waitMs: number }): Promise<void> {
    const summary = `${placeOf(story, ticket)}: asks for a permit`;
    hear({ kind: 'ticket', ticket, answer: await queueAttempt({ jobId, ticket, waitMs }, summary) });
  }

  async function move(ticket: TicketStory): Promise<void> {
    const summary = `${placeOf(story, ticket)}: moves there`;
    hear({ kind: 'moved', ticket, answer: await moveTicket({ jobId, ticket }, summary) });
  }

  /** Settle first, tidy up at the provider afterwards: the caller never waits for that. */
  async function settle(verdict: Verdict): Promise<GenerateVideoResult> {
    isEnding = true;
    const standing = await settleJob({ jobId, verdict }, verdict.phase);
    await background.end();
    await condition(allHandlersFinished);
    return standing;
  }
}

/** What comes from outside, by the mailbox, by an operator, or by Cancel in Temporal UI, which means the same as our own. */
function listen(hear: (fact: Fact) => void, tell: () => Story): void {
  setHandler(permitSignal, (mail) => hear({ kind: 'permit', ...mail }));
  setHandler(callbackSignal, ({ attempt, ...report }) => hear({ kind: 'reported', attempt, report }));
  setHandler(hintSignal, ({ attempt, refusal, target }) => {
    const to = target === undefined ? {} : { to: { attempt, target } };
    if (refusal !== undefined) hear({ kind: 'line', refusal, ...to });
    hear({ kind: 'hint', attempt });
  });
  setHandler(cancelSignal, () => hear({ kind: 'cancel' }));
  setHandler(timelineQuery, () => {
    const { wish: _wish, ...told } = tell();
    return told;
  });
  CancellationScope.current().cancelRequested.catch(() => hear({ kind: 'cancel' }));
}
