import { isOpen } from './heard-repair.ts';
import { limits } from './limits/limits.ts';
import { faultOf, isAtStake, isUnkept, type Story, type Wish, type WishAnswer } from './story.ts';

/** Where an operator wants the next attempt to go, and whether what it may cost beside another one is taken into account. */
export interface WishOrder {
  /** Index into the route. */
  readonly target: number;
  readonly isForced: boolean;
}

/** Why no provider can be asked now. Undefined: some can. */
export function refusalOfPollNow(story: Story): string | undefined {
  if (story.attempts.some(({ phase }) => phase === 'live' || phase === 'unknown')) return undefined;
  const sending = story.attempts.find(({ phase }) => phase === 'submitting');
  if (sending !== undefined)
    return `Attempt ${sending.number} is just being sent. Ask again once the provider has answered.`;
  return story.ticket === null
    ? 'No provider works on the job now, so there is nobody to ask. See its current details for what it waits for.'
    : 'The job waits for its permit, so there is nobody to ask. Use switchTarget to send it elsewhere, or extendDeadline to let it wait.';
}

/**
 * Why no more time can be given now: the run deadline of a job is set when its first attempt is sent, and the queue deadline
 * counts no more, so that it would move nothing. Undefined: it can.
 */
export function refusalOfExtension({ attempts }: Story): string | undefined {
  const begun = attempts.filter(({ phase }) => phase !== 'granted' && phase !== 'void');
  const [first] = begun;
  if (first === undefined || begun.some(({ phase }) => phase !== 'submitting')) return undefined;
  return `Attempt ${first.number} is just being sent, and the job's time begins with that. Repeat this once the provider has answered.`;
}

/**
 * Why the next attempt can't go there. What waits may always move; nothing is bought beside what may still be paid unless it
 * is forced.
 */
export function refusalOfWish(story: Story, order: WishOrder, now: number): string | undefined {
  if (isOpen(story.wish)) return 'Another repair of the job is being carried out. Try again in a moment.';
  if (faultOf(story) !== undefined)
    return 'The request itself was refused, and no target will do better with it. Let it end, or use giveUp.';
  const copied = story.attempts.find(isUnkept);
  if (copied !== undefined) {
    if (now < copied.since + copyMsMin)
      return `The video of attempt ${copied.number} is being copied. Wait a minute; if it does not end, repeat this with force.`;
    if (!order.isForced)
      return `The video of attempt ${copied.number} is made and paid for, and its copy is being made: within an hour it succeeds, or the job goes on. With force, and a reason, the copy is given up and another video bought.`;
  }
  if (story.ticket !== null) return undefined;
  // Before a copy is given up for another attempt that there can't be.
  if (story.attempts.length >= limits.attemptsOfJobMax)
    return `The job has had ${limits.attemptsOfJobMax} attempts, which is as many as one may have. Use giveUp, and send it again as a new job.`;
  const atStake = story.attempts.find(isAtStake);
  if (atStake === undefined || order.isForced) return undefined;
  return `Attempt ${atStake.number} may still be paid for, and another one beside it as well. Use pollNow to ask for it, or repeat this with force and a reason.`;
}

/** Where the last attempt was. Undefined: there was none. */
export function lastTarget({ attempts }: Story): number | undefined {
  const sent = attempts.filter(({ phase }) => phase !== 'void' && phase !== 'granted');
  return sent.toSorted((one, other) => one.number - other.number).at(-1)?.target;
}

/** What came of a wish, in a sentence. */
export function outcomeOfWish({ route }: Story, { target, answer }: Wish): string {
  const name = route[target]?.name ?? `target ${target}`;
  return outcomes[answer ?? 'ended'](name);
}

/** By then a copy that was begun is noted as such, so that it can be given up without a trace of it coming after. */
const copyMsMin = 60_000;

const outcomes: Readonly<Record<WishAnswer, (target: string) => string>> = {
  queued: (target) => `Another attempt waits for its permit at ${target}.`,
  moved: (target) => `The job waits for its permit at ${target}.`,
  granted: () => 'The job has just got its permit where it waited, so nothing was changed. See where that leads.',
  too_dear: (target) =>
    `An attempt at ${target} would cost more than the job or its tenant's budget allows, so nothing was changed. Choose a cheaper target.`,
  no_budget: (target) =>
    `The tenant's budget, or SPEND_CAP_USD, has no room for ${target} now, so nothing was changed. Raise it, or choose a cheaper target.`,
  overtaken: () =>
    'What has happened meanwhile forbids it, so nothing was changed. Look at the job again, and repeat it if it is still needed.',
  ended: () => 'The job ends meanwhile, so nothing was changed.',
};
