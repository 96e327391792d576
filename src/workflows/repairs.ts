import {
  CancellationScope,
  condition,
  currentUpdateInfo,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { NoteAnswer, NoteOrder } from '../contracts/activities.ts';
import { type RepairAnswer, type RepairName, repairNames } from '../contracts/repairs.ts';
import { utc } from '../domain/account.ts';
import { isOpen } from '../domain/heard-repair.ts';
import { limits } from '../domain/limits/limits.ts';
import { lastTarget, outcomeOfWish, refusalOfExtension, refusalOfPollNow, refusalOfWish } from '../domain/repair.ts';
import { type Fact, isUnkept, type Story } from '../domain/story.ts';
import { noteRepair } from './activities.ts';
import { readRepair, refused, type RepairOrder } from './read-repair.ts';

/** The job that is repaired, as its workflow has it. */
export interface RepairedJob {
  readonly jobId: string;
  readonly story: () => Story;
  readonly hear: (fact: Fact) => void;
  /** Nothing is decided for it any more. */
  readonly isEnding: () => boolean;
}

/**
 * What operators may do, as updates. What is refused is refused before it gets into the history. What is accepted is written
 * down first, and then a fact like any other: `nextStep` carries it out, so that it comes between no other step.
 */
export function takeRepairs(job: RepairedJob): void {
  let taken = 0;
  for (const repair of repairNames) {
    setHandler(
      defineUpdate<RepairAnswer, [unknown]>(repair),
      async (value) => {
        taken += 1;
        // A cancel ends the job, and what is under way with it, but not the note of it.
        return await CancellationScope.nonCancellable(
          async () => await carryOut(job, repair, readRepair(repair, value)),
        );
      },
      {
        validator(value) {
          const order = readRepair(repair, value);
          if (!/^[\x20-\x7e]+$/.test(idOfUpdate()) || idOfUpdate().length > limits.updateIdCharsMax)
            throw refused(
              `The update id has to be 1 to ${limits.updateIdCharsMax} printable ASCII characters. Leave it out, or send another one.`,
            );
          if (taken >= limits.repairsOfJobMax)
            throw refused(`The job was repaired ${taken} times. Use Cancel, and send it again as a new one.`);
          const why = refusalOf(job, repair, order);
          if (why !== undefined) throw refused(why);
        },
      },
    );
  }
}

function idOfUpdate(): string {
  return currentUpdateInfo()?.id ?? '';
}

function refusalOf(job: RepairedJob, repair: RepairName, order: RepairOrder): string | undefined {
  const { story } = job;
  if (isOver(job) || story().givenUp) return 'The job is ending. There is nothing left to repair.';
  if (repair === 'pollNow') return refusalOfPollNow(story());
  if (repair === 'extendDeadline') return refusalOfExtension(story());
  if (repair === 'giveUp') return undefined;
  const target = targetOfOrder(story(), repair, order);
  if (typeof target === 'string') return target;
  return refusalOfWish(story(), { target, isForced: order.force }, Date.now());
}

/** Nothing that an operator does changes how it ends. */
function isOver({ story, isEnding }: RepairedJob): boolean {
  const { over, cancelled, attempts } = story();
  return isEnding() || over || cancelled || attempts.some(({ phase }) => phase === 'stored');
}

/** Its index in the route, or why there is none. */
function targetOfOrder(story: Story, repair: 'switchTarget' | 'resubmit', order: RepairOrder): number | string {
  if (repair === 'resubmit')
    return (
      lastTarget(story) ?? 'Nothing was sent for the job yet, so there is nothing to repeat. It waits for its permit.'
    );
  const target = story.route.findIndex(({ name }) => name === order.target);
  if (target !== -1) return target;
  const names = story.route.map(({ name }) => name).join(', ');
  return `The job may not go to ${order.target.slice(0, 80)}. Its route is ${names}.`;
}

async function carryOut(job: RepairedJob, repair: RepairName, order: RepairOrder): Promise<RepairAnswer> {
  const before = job.story();
  const target = repair === 'switchTarget' || repair === 'resubmit' ? targetOfOrder(before, repair, order) : undefined;
  const id = idOfUpdate();
  const noted = noteOf(job, { repair, order, id, ...(typeof target === 'number' && { target }) });
  const note = await noteRepair(noted, `${repair} by an operator`);
  if (note.verdict === 'job_final') return { outcome: endedMeanwhile };
  switch (repair) {
    case 'pollNow':
      if (isOver(job)) return { outcome: endedMeanwhile };
      job.hear({ kind: 'pollNow' });
      return { outcome: 'The provider of every live attempt is asked now.' };
    case 'extendDeadline':
      job.hear({ kind: 'extended', byMs: note.byMs });
      return { outcome: outcomeOfExtension(note) };
    case 'giveUp':
      if (isOver(job)) return { outcome: endedMeanwhile };
      job.hear({ kind: 'giveUp' });
      return { outcome: 'The job ends as failed, with code `terminated`.' };
    case 'switchTarget':
    case 'resubmit':
      return { outcome: await wish(job, note, { ...noted, id }) };
  }
}

const endedMeanwhile = 'The job has ended meanwhile, so nothing was changed.';

interface Noted {
  readonly repair: RepairName;
  readonly order: RepairOrder;
  readonly id: string;
  readonly target?: number;
}

function noteOf({ jobId, story }: RepairedJob, { repair, order, id, target }: Noted): NoteOrder {
  const { by, reason, seconds, force } = order;
  const { attempts, ticket } = story();
  const copies = attempts.filter(isUnkept).map(({ number }) => number);
  return {
    jobId,
    request: `${jobId}:${id}`,
    run: workflowInfo().runId,
    repair,
    by,
    reason,
    ...(target !== undefined && { target }),
    ...(seconds > 0 && { seconds }),
    // What waits is paid once, wherever it waits: nothing is risked for it.
    ...(force && ticket === null && { force, copies }),
  };
}

/** As the note has it: what was not noted as a risk, because the job waited then, is not taken later. */
type Wished = Pick<NoteOrder, 'target' | 'force' | 'copies'> & { readonly id: string };

async function wish(job: RepairedJob, { verdict }: NoteAnswer, wished: Wished): Promise<string> {
  const { id, target, force: isForced = false, copies = [] } = wished;
  // To do it again would be another attempt, and paid for as such.
  if (verdict === 'repeated') return 'It was done by an earlier run of this workflow, and is not done again.';
  if (verdict === 'kept') return 'A video of the job is ours already, so nothing was changed. It completes with that.';
  if (verdict === 'exhausted')
    return 'The job has had as many attempts as one may have, so nothing was changed. Send it again as a new job.';
  if (target === undefined) return 'Nothing was changed.';
  const own = { id, target, isForced };
  if (verdict === 'too_dear' || verdict === 'no_budget') return outcomeOfWish(job.story(), { ...own, answer: verdict });
  job.hear({ kind: 'wish', wish: own, ...(copies.length > 0 && { copies }) });
  await condition(() => !isOpen(job.story().wish) || job.story().wish?.id !== id || job.isEnding());
  const heard = job.story().wish;
  return outcomeOfWish(job.story(), heard?.id === id ? heard : { ...own, answer: 'overtaken' });
}

function outcomeOfExtension({ endsAt }: NoteAnswer): string {
  if (endsAt === null) return endedMeanwhile;
  return `The job has until ${utc(endsAt)} now.`;
}
