import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import { generateVideoType } from '../contracts/generate-video.ts';
import { endAttempt } from '../db/ledger/attempts.ts';
import { forgetDepths } from '../db/scheduler/depths.ts';
import { drawFlowsTogether, forgetIdleFlows } from '../db/scheduler/idle-flows.ts';
import { tellLateCopies } from '../db/mailbox/late-copies.ts';
import { asOnlyOne } from '../db/only-one.ts';
import {
  findOpenJobs,
  leaseSilentJobs,
  leaseZombies,
  readWatermark,
  releaseLeakedPermits,
  restartWorkflow,
  vacuumQueues,
  writeWatermark,
  type Zombie,
} from '../db/ledger/reconcile.ts';
import { settleJob } from '../db/ledger/settle.ts';
import { failureOf } from '../domain/failure.ts';
import { isJobId } from '../domain/job.ts';
import { endOf, type Progress, ProviderUnreachableError, type VideoProvider } from '../providers/provider.ts';
import { followFailingWorkflows } from './failing-workflows.ts';
import { throwTogether } from './throw-together.ts';

export type Repair = 'closed_workflow' | 'lost_workflow' | 'leaked_permit' | 'zombie_ended' | 'zombie_expired';

export interface ReconcilerDeps {
  readonly pool: pg.Pool;
  readonly client: Client;
  readonly providers: ReadonlyMap<string, VideoProvider>;
  readonly silentMs: number;
  readonly zombieEveryMs: number;
  readonly log: Logger;
  readonly onRepair: (repair: Repair, count: number) => void;
}

/** One round, in one process at a time: compares Postgres with Temporal and with the providers, and mends. */
export async function reconcile(deps: ReconcilerDeps): Promise<boolean> {
  return await asOnlyOne(deps.pool, 'reconciler', () =>
    // What may take long, because it waits for vendors, comes after what must not wait for it.
    eachInTurn([
      async () => deps.onRepair('leaked_permit', await releaseLeakedPermits(deps.pool)),
      () => settleClosedWorkflows(deps),
      () => restartLostWorkflows(deps),
      () => followFailingWorkflows(deps),
      () => tellLateCopies(deps.pool),
      () => endZombies(deps),
      async () => void (await forgetDepths(deps.pool)),
      async () => void (await forgetIdleFlows(deps.pool)),
      async () => void (await drawFlowsTogether(deps.pool)),
      () => vacuumQueues(deps.pool),
    ]),
  );
}

/** One that fails, as when Temporal is away, takes nothing from those after it. */
async function eachInTurn(repairs: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const repair of repairs) await repair().catch((error: unknown) => errors.push(error));
  throwTogether(errors, 'several repairs failed');
}

const watermark = 'closed_workflows';
/** Visibility is written after the fact, so a little of the past is read again. */
const overlapMs = 60_000;
/** For all pages of the list. */
const listTimeoutMs = 30_000;

/** Terminated, timed out, failed: their jobs end here, since no workflow is left to end them. */
async function settleClosedWorkflows(deps: ReconcilerDeps): Promise<void> {
  const since = (await readWatermark(deps.pool, watermark)) ?? new Date(Date.now() - 24 * 3_600_000);
  const readAt = new Date();
  const query =
    `WorkflowType = '${generateVideoType}' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')` +
    ` AND CloseTime > '${new Date(since.getTime() - overlapMs).toISOString()}'`;
  const closed = await deps.client.withDeadline(Date.now() + listTimeoutMs, () => listJobs(deps.client, query));
  for (const jobId of await findOpenJobs(deps.pool, closed)) {
    // Reset closes one run and opens another under the same id: only the last run counts.
    if ((await isRunning(deps.client, jobId)) === false) await settleClosed(deps, jobId);
  }
  await writeWatermark(deps.pool, watermark, readAt);
}

async function listJobs(client: Client, query: string): Promise<readonly string[]> {
  const ids = new Set<string>();
  for await (const { workflowId } of client.workflow.list({ query })) if (isJobId(workflowId)) ids.add(workflowId);
  return [...ids];
}

async function settleClosed(deps: ReconcilerDeps, jobId: string): Promise<void> {
  const standing = await settleJob(deps.pool, jobId, { phase: 'failed', failure: failureOf('terminated') });
  // It may have come to its own verdict since we looked for open jobs.
  if (standing?.settledNow !== true) return;
  deps.log.warn({ job: jobId }, 'workflow closed without a verdict');
  deps.onRepair('closed_workflow', 1);
}

/** Handed over and silent: if Temporal has never heard of it, or no longer, the workflow begins anew from the ledger. */
async function restartLostWorkflows(deps: ReconcilerDeps): Promise<void> {
  for (const jobId of await leaseSilentJobs(deps.pool, { silentMs: deps.silentMs, count: 500 })) {
    const running = await isRunning(deps.client, jobId);
    if (running === false) await settleClosed(deps, jobId);
    if (running !== undefined) continue;
    deps.log.warn({ job: jobId }, 'workflow is lost, starting it anew');
    await restartWorkflow(deps.pool, jobId);
    deps.onRepair('lost_workflow', 1);
  }
}

/** Undefined: Temporal does not know the id. */
async function isRunning(client: Client, jobId: string): Promise<boolean | undefined> {
  try {
    const { status } = await client.withDeadline(Date.now() + 5_000, () => client.workflow.getHandle(jobId).describe());
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

const zombiesAtOnce = 50;
/** A vendor that answers slowly keeps the next round of all repairs waiting no longer than this, and a batch. */
const zombiesForMs = 30_000;

/** All that are due: a slot that is free at the provider is not to wait for its turn here. */
async function endZombies(deps: ReconcilerDeps): Promise<void> {
  const giveUpAt = Date.now() + zombiesForMs;
  while (Date.now() < giveUpAt) {
    const zombies = await leaseZombies(deps.pool, { everyMs: deps.zombieEveryMs, count: zombiesAtOnce });
    const views = await Promise.all(zombies.map((zombie) => endZombie(deps, zombie)));
    const asked = views.filter((view) => view !== 'untold');
    const isAway = asked.length > 0 && asked.every((view) => view === 'unreachable');
    if (zombies.length < zombiesAtOnce || isAway) return;
  }
}

/** What there is to know of a zombie. `untold`: there is nobody to ask, or nothing to ask for. */
type View = Progress | 'unreachable' | 'untold';

/** A slot is free when the provider says so, or when it can't say and nothing can last that long. */
async function endZombie(deps: ReconcilerDeps, zombie: Zombie): Promise<View> {
  const view = await look(deps, zombie);
  if (typeof view === 'string') {
    if (zombie.isExpired) await expire(deps, zombie);
  } else if (view.kind === 'finished' || view.kind === 'failed') {
    const { job: jobId, attempt } = zombie;
    if (await endAttempt(deps.pool, { jobId, attempt, evidence: 'check', ...endOf(view) }))
      deps.onRepair('zombie_ended', 1);
  } else if (zombie.isExpired) {
    // The vendor still works on it, so the slot is taken there, and the catalogue's figure is wrong.
    const { job, attempt, provider } = zombie;
    deps.log.warn({ job, attempt, provider, progress: view.kind }, 'under way for longer than it can take');
  }
  return view;
}

async function expire(deps: ReconcilerDeps, { job: jobId, attempt }: Zombie): Promise<void> {
  // This target's time is over, not the job's: whoever else is on the route may still serve it.
  const failure = failureOf('timed_out');
  const end = { evidence: 'longest_duration', outcome: 'lost', failure } as const;
  if (await endAttempt(deps.pool, { jobId, attempt, ...end })) deps.onRepair('zombie_expired', 1);
}

async function look({ providers, log }: ReconcilerDeps, { provider, operation, model, job }: Zombie): Promise<View> {
  const vendor = providers.get(provider);
  if (operation === null || vendor === undefined) return 'untold';
  try {
    return await vendor.check({ operation, model });
  } catch (error) {
    if (!(error instanceof ProviderUnreachableError)) throw error;
    log.debug({ job, provider }, 'zombie could not be checked');
    return 'unreachable';
  }
}
