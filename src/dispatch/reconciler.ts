import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import { generateVideoType } from '../contracts/generate-video.ts';
import { endAttempt } from '../db/attempts.ts';
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
} from '../db/reconcile.ts';
import { settleJob } from '../db/settle.ts';
import { failureOf } from '../domain/failure.ts';
import { isJobId } from '../domain/job.ts';
import { endOf, type Progress, ProviderUnreachableError, type VideoProvider } from '../providers/provider.ts';

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
  return await asOnlyOne(deps.pool, 'reconciler', async () => {
    deps.onRepair('leaked_permit', await releaseLeakedPermits(deps.pool));
    await endZombies(deps);
    await settleClosedWorkflows(deps);
    await restartLostWorkflows(deps);
    await vacuumQueues(deps.pool);
  });
}

const watermark = 'closed_workflows';
/** Visibility is written after the fact, so a little of the past is read again. */
const overlapMs = 60_000;

/** Terminated, timed out, failed: their jobs end here, since no workflow is left to end them. */
async function settleClosedWorkflows(deps: ReconcilerDeps): Promise<void> {
  const since = (await readWatermark(deps.pool, watermark)) ?? new Date(Date.now() - 24 * 3_600_000);
  const readAt = new Date();
  const query =
    `WorkflowType = '${generateVideoType}' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')` +
    ` AND CloseTime > '${new Date(since.getTime() - overlapMs).toISOString()}'`;
  const closed = new Set<string>();
  for await (const { workflowId } of deps.client.workflow.list({ query })) {
    if (isJobId(workflowId)) closed.add(workflowId);
  }
  for (const jobId of await findOpenJobs(deps.pool, [...closed])) {
    // Reset closes one run and opens another under the same id: only the last run counts.
    if ((await isRunning(deps.client, jobId)) === false) await settleClosed(deps, jobId);
  }
  await writeWatermark(deps.pool, watermark, readAt);
}

async function settleClosed(deps: ReconcilerDeps, jobId: string): Promise<void> {
  deps.log.warn({ job: jobId }, 'workflow closed without a verdict');
  await settleJob(deps.pool, jobId, { phase: 'failed', failure: failureOf('terminated') });
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
const zombieBatchesMax = 100;

/** All that are due: a slot that is free at the provider is not to wait for its turn here. */
async function endZombies(deps: ReconcilerDeps): Promise<void> {
  for (let batch = 0; batch < zombieBatchesMax; batch += 1) {
    const zombies = await leaseZombies(deps.pool, { everyMs: deps.zombieEveryMs, count: zombiesAtOnce });
    await Promise.all(zombies.map((zombie) => endZombie(deps, zombie)));
    if (zombies.length < zombiesAtOnce) return;
  }
}

/** A slot is free when the provider says so, or when nothing can last that long. */
async function endZombie(deps: ReconcilerDeps, zombie: Zombie): Promise<void> {
  const { job: jobId, attempt } = zombie;
  const progress = await look(deps, zombie);
  if (progress?.kind === 'finished' || progress?.kind === 'failed') {
    if (await endAttempt(deps.pool, { jobId, attempt, evidence: 'check', ...endOf(progress) }))
      deps.onRepair('zombie_ended', 1);
  } else if (zombie.isExpired) {
    // This target's time is over, not the job's: whoever else is on the route may still serve it.
    const failure = failureOf('run_deadline', { retry: 'elsewhere' });
    const end = { evidence: 'longest_duration', outcome: 'lost', failure } as const;
    if (await endAttempt(deps.pool, { jobId, attempt, ...end })) deps.onRepair('zombie_expired', 1);
  }
}

async function look(
  { providers, log }: ReconcilerDeps,
  { provider, operation, job }: Zombie,
): Promise<Progress | undefined> {
  if (operation === null) return undefined;
  try {
    return await providers.get(provider)?.check(operation);
  } catch (error) {
    if (!(error instanceof ProviderUnreachableError)) throw error;
    log.debug({ job, provider }, 'zombie could not be checked');
    return undefined;
  }
}
