import type { NoteAnswer, NoteOrder } from '../contracts/activities.ts';
import {
  callbackSignalName,
  cancelSignalName,
  type GenerateVideoResult,
  type HintMail,
  hintSignalName,
  permitSignalName,
} from '../contracts/generate-video.ts';
import { heard } from '../domain/heard.ts';
import { type AttemptStory, type Fact, openStory, type Story } from '../domain/story.ts';
import type { Told } from './read-history.ts';

/** What a workflow has lived through, read from its history: for that no worker has to run. */
export interface RememberedJob {
  readonly story: Story;
  /** Undefined: it has not come to a verdict. */
  readonly verdict?: GenerateVideoResult;
  /** What each attempt is called at its vendor, as the answer to its POST had it. */
  readonly operations: ReadonlyMap<number, string>;
  /** Attempts whose POST the vendor took, named or not. */
  readonly accepted: ReadonlySet<number>;
  /** Attempts whose video was begun to be copied, once for each time. */
  readonly copies: readonly number[];
  /** Attempts whose POST was answered by a refusal. */
  readonly refused: ReadonlySet<number>;
  /** When the POST of each may have been sent first, in milliseconds. An attempt without was never tried to be sent. */
  readonly submittedAt: ReadonlyMap<number, number>;
  /** What operators did, in their order. */
  readonly repairs: readonly NoteOrder[];
}

/** Folds what its history tells as the workflow itself has done. Undefined: it does not tell how it began. */
export function rememberJob(told: readonly Told[]): RememberedJob | undefined {
  const [first] = told;
  if (first?.kind !== 'begun') return undefined;
  const verdict = told.findLast((one) => one.kind === 'completed');
  const facts = told.flatMap((one) => factsOf(one).map((fact) => ({ fact, at: one.at })));
  const submits = told.flatMap((one) => (one.kind === 'done' && one.activity === 'submitAttempt' ? [one] : []));
  return {
    story: facts.reduce((story, { fact, at }) => heard(story, fact, at), openStory(first.input, first.at)),
    operations: new Map(
      submits.flatMap(({ attempt, result }) =>
        result.kind === 'accepted' && result.operation !== undefined ? [[attempt, result.operation] as const] : [],
      ),
    ),
    accepted: new Set(submits.flatMap(({ attempt, result }) => (result.kind === 'accepted' ? [attempt] : []))),
    copies: told.flatMap((one) =>
      one.kind === 'scheduled' && one.activity === 'storeAsset' ? [one.order.attempt] : [],
    ),
    refused: new Set(submits.flatMap(({ attempt, result }) => (result.kind === 'refused' ? [attempt] : []))),
    submittedAt: firstOfEach(
      facts.flatMap(({ fact, at }) => (fact.kind === 'submitting' ? [[fact.attempt, at] as const] : [])),
    ),
    repairs: told.flatMap((one) =>
      one.kind === 'done' && one.activity === 'noteRepair' && isNoted(one.result) ? [one.order] : [],
    ),
    ...(verdict === undefined ? {} : { verdict: verdict.result }),
  };
}

function firstOfEach(moments: readonly (readonly [number, number])[]): ReadonlyMap<number, number> {
  return new Map(moments.toReversed());
}

function factsOf(told: Told): readonly Fact[] {
  switch (told.kind) {
    case 'begun':
      return told.input.permit === undefined ? [] : [{ kind: 'permit', ...told.input.permit }];
    case 'signal':
      return factsOfSignal(told);
    case 'scheduled':
      return factsOfScheduled(told);
    case 'done':
      return factsOfDone(told);
    case 'completed':
      return [];
  }
}

function factsOfSignal({ name, mail }: Extract<Told, { kind: 'signal' }>): readonly Fact[] {
  if (name === cancelSignalName) return [{ kind: 'cancel' }];
  if (mail === undefined) return [];
  // Of a hint only where it was sent on to matters.
  if (name === hintSignalName) return 'target' in mail && !('grant' in mail) ? factsOfHint(mail) : [];
  if (name === permitSignalName && 'grant' in mail) return [{ kind: 'permit', ...mail }];
  if (name !== callbackSignalName || !('outcome' in mail)) return [];
  const { attempt, ...report } = mail;
  return [{ kind: 'reported', attempt, report }];
}

function factsOfHint({ attempt, target, refusal = null }: HintMail): readonly Fact[] {
  return target === undefined ? [] : [{ kind: 'line', refusal, to: { attempt, target } }];
}

/** The order of a submit names its permit: it came, however its workflow heard of it. */
function factsOfScheduled({ activity, order, isIdle }: Extract<Told, { kind: 'scheduled' }>): readonly Fact[] {
  const { attempt, target, grant } = order;
  if (activity === 'watchAttempt') return [{ kind: 'watching', attempt }];
  if (activity === 'storeAsset') return [{ kind: 'storing', attempt }];
  if (activity !== 'submitAttempt') return [];
  const permit: Fact = { kind: 'permit', attempt, target, grant };
  return isIdle ? [permit] : [permit, { kind: 'submitting', attempt }];
}

function factsOfDone(done: Extract<Told, { kind: 'done' }>): readonly Fact[] {
  switch (done.activity) {
    case 'submitAttempt':
      return [{ kind: 'submitted', attempt: done.attempt, answer: done.result }];
    case 'watchAttempt':
      return [{ kind: 'reported', attempt: done.attempt, report: done.result }];
    case 'storeAsset':
      return [{ kind: 'stored', attempt: done.attempt, answer: done.result }];
    case 'queueAttempt':
      return [{ kind: 'ticket', ticket: done.order.ticket, answer: done.result }];
    case 'moveTicket':
      return [{ kind: 'moved', ticket: done.order.ticket, answer: done.result }];
    case 'noteRepair':
      return factsOfRepair(done.order, done.result);
    // Tidying up, of which the story knows nothing.
    default:
      return [];
  }
}

function isNoted({ verdict }: NoteAnswer): boolean {
  return verdict === 'noted' || verdict === 'repeated';
}

/** A repair is noted first, and heard then; what the note refuses is not. */
function factsOfRepair(order: NoteOrder, { verdict, byMs }: NoteAnswer): readonly Fact[] {
  if (verdict === 'job_final') return [];
  const { repair, request, jobId, target, force: isForced = false, copies = [] } = order;
  switch (repair) {
    case 'pollNow':
    case 'giveUp':
      return [{ kind: repair }];
    case 'extendDeadline':
      return [{ kind: 'extended', byMs }];
    case 'switchTarget':
    case 'resubmit':
      if (verdict !== 'noted' || target === undefined) return [];
      return [{ kind: 'wish', wish: { id: request.slice(jobId.length + 1), target, isForced }, copies }];
  }
}

/**
 * A number that is not less than any that the workflow has used for an attempt. A copy that begins may have withdrawn a ticket
 * with its number, of which no history tells. Numbers that are left out harm nobody.
 */
export function attemptsUsed({ story, copies }: Pick<RememberedJob, 'story' | 'copies'>): number {
  return Math.max(0, ...story.attempts.map(({ number }) => number)) + copies.length;
}

/** Whether it was sent, or may have been. */
export function wasSent({ phase }: AttemptStory): boolean {
  return phase !== 'granted' && phase !== 'void';
}
