import { Context } from '@temporalio/activity';
import type { Activities, WatchOrder } from '../contracts/activities.ts';
import { type AttemptToCheck, findAttemptToCheck } from '../db/ledger/attempt-to-check.ts';
import { endAttempt, isOpenJob, noteQueued } from '../db/ledger/attempts.ts';
import { adoptFromList, decideUnknown } from '../db/ledger/unknown-attempts.ts';
import { failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import { nextCheckDelayMs } from '../domain/poll-schedule.ts';
import type { RouteTarget } from '../domain/route.ts';
import type { AttemptReport } from '../domain/story.ts';
import { endOf, type FoundOperation, ProviderUnreachableError, type VideoProvider } from '../providers/provider.ts';
import { missingFromLedger, notYet } from './application-failure.ts';
import type { ActivityDeps } from './deps.ts';

/** Polls once a try. "Not yet" is a benign failure with the moment of the next try: retries add no history. */
export function createWatchAttempt(deps: ActivityDeps): Activities['watchAttempt'] {
  return async function watchAttempt(order) {
    const attempt = await findAttemptToCheck(deps.db, order.jobId, order.attempt);
    if (attempt === undefined && (await isOpenJob(deps.db, order.jobId))) throw missingFromLedger(order);
    const ended = attempt === undefined ? lost() : reportOf(attempt);
    if (ended !== undefined) return ended;
    const target = attempt?.route[attempt.target];
    const provider = deps.providers.get(attempt?.provider ?? '');
    if (!attempt || !target || !provider) return lost();

    const look: Look = { deps, order, attempt, target, provider };
    const report = attempt.operation === null ? await adopt(look) : await poll(look, attempt.operation);
    if (report === undefined) throw notYet(nextCheckDelayMs(target, Context.current().info.attempt, Math.random()));
    return report;
  };
}

interface Look {
  readonly deps: ActivityDeps;
  readonly order: WatchOrder;
  readonly attempt: AttemptToCheck;
  readonly target: RouteTarget;
  readonly provider: VideoProvider;
}

async function poll({ deps, order, provider, target }: Look, operation: string): Promise<AttemptReport | undefined> {
  deps.onPolled?.(target.name);
  const progress = await reachable(() => provider.check({ operation, model: target.vendorModel }));
  if (progress === undefined || progress.kind === 'running') return undefined;
  if (progress.kind === 'queued') {
    await noteQueued(deps.db, order);
    return { outcome: 'queued' };
  }
  await endAttempt(deps.db, { ...order, evidence: 'check', operation, ...endOf(progress) });
  deps.onEvents?.();
  // Somebody else may have ended it in the same moment: the ledger has the outcome that counts.
  const standing = await findAttemptToCheck(deps.db, order.jobId, order.attempt);
  return standing === undefined ? lost() : reportOf(standing);
}

/** The answer to the POST was lost. Our seed finds the job in the provider's list; after a grace the policy decides. */
async function adopt(look: Look): Promise<AttemptReport | undefined> {
  const { deps, order, attempt, target } = look;
  const found = await findOurs(look);
  // A list that could not be read proves nothing: to go on would be to pay a second time on a guess.
  if (found === undefined) return undefined;
  const [only] = found;
  if (only !== undefined && found.length === 1 && (await adoptFromList(deps.db, { ...order, ...only }))) {
    deps.onEvents?.();
    deps.log.info({ job: order.jobId, attempt: order.attempt }, 'adopted an ambiguous submit from the list');
    return await poll(look, only.operation);
  }
  return Date.now() < graceEndsAt(attempt, target) ? undefined : await decide(look);
}

/** The vendor's operations that carry our seed. None where nobody could tell; undefined when the list could not be read. */
async function findOurs({ deps, attempt, target, provider }: Look): Promise<readonly FoundOperation[] | undefined> {
  const { seed, submittedAt } = attempt;
  if (provider.find === undefined || seed === null || !carriesSeed(deps, target)) return [];
  const find = provider.find.bind(provider);
  const query = {
    model: target.vendorModel,
    seed,
    createdAfter: submittedAt.getTime() - limits.vendorClockMsMax,
    createdBefore: submittedAt.getTime() + target.unknownGraceMs + limits.vendorClockMsMax,
  };
  return await reachable(() => find(query).catch(noneIfTooLong));
}

/**
 * Counted from the moment at which the answer was known to be lost: after an outage, or after a restore that wrote its row once
 * more, the POST may be hours ago, and its callback still has its time to come.
 */
function graceEndsAt({ submittedAt, answeredAt }: AttemptToCheck, { unknownGraceMs }: RouteTarget): number {
  return Math.max(submittedAt.getTime(), answeredAt?.getTime() ?? 0) + unknownGraceMs;
}

async function decide({ deps, order, attempt, target }: Look): Promise<AttemptReport | undefined> {
  const policy = target.unknownPolicy;
  if (attempt.resolvedBy === 'grace_wait') return undefined;
  const stands = await decideUnknown(deps.db, { ...order, policy });
  deps.onEvents?.();
  // What was heard meanwhile, the next poll reads in the ledger.
  if (!stands || policy === 'wait') return undefined;
  deps.log.warn({ job: order.jobId, attempt: order.attempt, policy }, 'gave an ambiguous submit up');
  return {
    outcome: 'failed',
    failure: failureOf('ambiguous_submit', { retry: policy === 'resubmit' ? 'same' : 'elsewhere' }),
  };
}

/**
 * Where the model has no field for our seed, the list can't tell whose an operation is. Of a target that the catalogue no
 * longer has we don't know, so the list is read.
 */
function carriesSeed({ catalogue }: ActivityDeps, { name, vendorModel }: RouteTarget): boolean {
  const entry = catalogue.targets[name];
  const modes = [entry?.text, entry?.image].filter((mode) => mode?.model === vendorModel);
  return modes.length === 0 || modes.some((mode) => mode?.seed !== undefined);
}

/** A list that is too long stays so: to wait until it can be read to its end would be to wait past every grace. */
function noneIfTooLong(error: unknown): readonly FoundOperation[] {
  if (error instanceof ProviderUnreachableError && error.failure.vendorCode === 'list_too_long') return [];
  throw error;
}

/** No readable answer costs nothing but time: undefined, and the next poll asks again. */
async function reachable<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProviderUnreachableError) return undefined;
    throw error;
  }
}

function reportOf({ outcome, failure }: AttemptToCheck): AttemptReport | undefined {
  if (outcome === null) return undefined;
  if (outcome === 'finished') return { outcome };
  return { outcome: 'failed', failure: failure ?? failureOf('ambiguous_submit') };
}

function lost(): AttemptReport {
  return { outcome: 'failed', failure: failureOf('ambiguous_submit') };
}
