import type { GenerateVideoResult } from '../contracts/generate-video.ts';
import { moveTicket } from '../db/control/repairs.ts';
import { adoptOperation, type JobToAdopt, noteWorkflow, restoreAttempt, restorePermit } from '../db/ledger/restore.ts';
import { queueAttempt, type QueueRequest, settleJob } from '../db/ledger/settle.ts';
import { failureOf } from '../domain/failure.ts';
import { nextStep, type Verdict } from '../domain/next-step.ts';
import { runBudgetMs } from '../domain/route.ts';
import { type Story, targetOf } from '../domain/story.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { adoptAsset } from './adopt-asset.ts';
import { type AdoptOrder, endAsRemembered } from './end-as-remembered.ts';
import { type FindDeps, findOperation } from './find-operation.ts';
import { noteSent } from './note-lost-job.ts';
import { noteRepairsAgain } from './note-repairs-again.ts';
import { attemptsUsed, type RememberedJob, wasSent } from './remembered-job.ts';

export interface AdoptDeps extends FindDeps {
  readonly store: ObjectStore;
  /** Videos that the store has not are gone for good, and their jobs fail. Else such a job stays as it is. */
  readonly areVideosGone: boolean;
}

/** What was mended of one job. */
export interface Adopted {
  /** Rows of the ledger that were written once more. */
  readonly attempts: number;
  /** Of these, how many the vendor's name is known of. */
  readonly named: number;
  readonly settled: GenerateVideoResult['phase'] | undefined;
  readonly queued: boolean;
  /** What was sent and has no place in the ledger. */
  readonly orphans: number;
  /** Its video was kept, and the store that was asked does not have it: the job was left as it is. */
  readonly isVideoMissing: boolean;
}

/**
 * Brings a job of a database that was put back up to what its workflow remembers: every attempt that may have been sent is in
 * the ledger again, so that nobody sends it a second time; what has ended is ended, by the vendor's own word where it has one;
 * and a verdict that was reached stands. The three functions write all of it. May be done again.
 */
export async function adoptJob(deps: AdoptDeps, job: JobToAdopt, remembered: RememberedJob): Promise<Adopted> {
  const written: AdoptedAttempt[] = [];
  for (const attempt of remembered.story.attempts.toSorted((one, other) => one.number - other.number))
    written.push(await adoptAttempt(deps, { job, remembered, attempt }));
  const counts = {
    attempts: written.filter(({ isNew }) => isNew).length,
    named: written.filter(({ isNew, operation }) => isNew && operation !== undefined).length,
    orphans: written.filter(({ isOrphan }) => isOrphan).length,
  };
  if (job.isFinal) return { ...counts, settled: undefined, queued: false, isVideoMissing: false };
  await noteRepairsAgain(deps.db, remembered.repairs);
  await noteWorkflow(deps.db, { jobId: job.id, attemptsUsed: attemptsUsed(remembered) });
  const settled = await settleAsRemembered(deps, job, remembered);
  if (settled === 'missing') return { ...counts, settled: undefined, queued: false, isVideoMissing: true };
  const queued = settled === undefined && (await standInLine(deps, job, remembered));
  return { ...counts, settled, queued, isVideoMissing: false };
}

/** The attempt whose video the workflow has seen kept. */
export function keptAttempt({ story, verdict }: RememberedJob): number | undefined {
  if (verdict !== undefined) return verdict.phase === 'completed' ? verdict.attempt : undefined;
  return story.attempts.find(({ phase }) => phase === 'stored')?.number;
}

interface AdoptedAttempt {
  /** Its row was missing, and has been written. */
  readonly isNew: boolean;
  readonly operation?: string | undefined;
  /** It was sent, its row is missing, and can't be written. */
  readonly isOrphan?: boolean;
}

const asItWas: AdoptedAttempt = { isNew: false };

async function adoptAttempt({ db, ...deps }: AdoptDeps, order: AdoptOrder): Promise<AdoptedAttempt> {
  const { job, attempt, remembered } = order;
  const { number, target, grant } = attempt;
  const place = { jobId: job.id, attempt: number };
  const row = job.attempts.find((known) => known.attempt === number);
  if (job.isFinal && row !== undefined) return asItWas;
  if (attempt.phase === 'granted') await restorePermit(db, { ...place, target, grant });
  if (!wasSent(attempt)) return asItWas;

  const aim = targetOf(remembered.story, attempt);
  const submittedAtMs = remembered.submittedAt.get(number) ?? attempt.since;
  const answer = await restoreAttempt(db, {
    ...place,
    target,
    grant,
    submittedAtMs,
    runBudgetMs: runBudgetMs(remembered.story.route),
  });
  if (answer !== 'go' && answer !== 'known')
    return { isNew: false, isOrphan: await noteSent({ db, ...deps }, { jobId: job.id, remembered, attempt }) };
  if (row?.hasEnded === true) return asItWas;
  let operation = row?.operation ?? undefined;
  if (operation === undefined && !remembered.refused.has(number)) {
    operation =
      remembered.operations.get(number) ??
      (await findOperation({ db, ...deps }, { ...place, target: aim, submittedAtMs }));
    const by = remembered.operations.has(number) ? 'answer' : 'list';
    if (operation !== undefined && !(await adoptOperation(db, { ...place, operation, by }))) operation = undefined;
  }
  await endAsRemembered({ db, ...deps }, order, operation);
  return { isNew: answer === 'go', operation };
}

/**
 * A verdict that callers were told stands. A video that was kept is looked for where it lies; the workflow that has just kept
 * one, and waits to settle, finds its note again. One that is not there may be where we do not look, so that it is gone has to
 * be said.
 */
async function settleAsRemembered(
  deps: AdoptDeps,
  job: JobToAdopt,
  remembered: RememberedJob,
): Promise<GenerateVideoResult['phase'] | 'missing' | undefined> {
  const { verdict } = remembered;
  const stored = keptAttempt(remembered);
  const found =
    stored === undefined ? 'no' : await adoptAsset(deps, { jobId: job.id, tenant: job.tenant, attempt: stored });
  if (found === 'missing' && !deps.areVideosGone) return 'missing';
  const isKept = found === 'kept';
  if (verdict === undefined && (stored === undefined || isKept)) return undefined;
  const standing = await settleJob(deps.db, job.id, verdictOf(verdict, isKept));
  return standing?.settledNow === true ? standing.phase : undefined;
}

function verdictOf(verdict: GenerateVideoResult | undefined, isKept: boolean): Verdict {
  if (verdict?.phase === 'cancelled') return { phase: 'cancelled' };
  if (verdict?.phase === 'completed' && verdict.attempt !== undefined && isKept)
    return { phase: 'completed', attempt: verdict.attempt };
  // It was completed, and its file is not where it was: its retention was over, or the store was put back too.
  const gone = failureOf('output_expired', { retry: 'never', vendorCode: 'restored' });
  return { phase: 'failed', failure: verdict?.failure ?? gone };
}

/** It waits for a further attempt, and its place was taken after the backup: it gets it once more. */
async function standInLine({ db, clock }: AdoptDeps, job: JobToAdopt, remembered: RememberedJob): Promise<boolean> {
  const { story } = remembered;
  const place = placeInLine(story, clock());
  const ticket = place && { ...place.ticket, attempt: attemptsUsed(remembered) + 1 };
  const isQueued = ticket && (await queueAttempt(db, { jobId: job.id, ...place, ticket })) === 'queued';
  // An operator sent it there, perhaps after the backup, and its workflow has heard that it went.
  const { wish } = story;
  if (wish?.answer === 'moved' && story.ticket?.target === wish.target) await moveTicket(db, job.id, wish.target);
  return isQueued === true;
}

/** What it waits for, or is about to ask for. The first place of all is in every backup that has the job. */
function placeInLine(story: Story, now: number): Omit<QueueRequest, 'jobId'> | undefined {
  if (story.attempts.length === 0) return undefined;
  const step = nextStep(story, now);
  if (step.kind === 'settle') return undefined;
  if (step.kind === 'queue' && step.ticket.kind === 'retry') return step;
  return story.ticket === null ? undefined : { ticket: story.ticket, waitMs: 0 };
}
