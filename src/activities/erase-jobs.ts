import type { VendorErasure } from '../db/retention/erase.ts';
import {
  emptyTraces,
  leaseErasures,
  noteErasure,
  type ErasureNote,
  noteObjectsRemoved,
  noteVendorErasure,
  type OpenAttempt,
  type OpenErasure,
} from '../db/retention/open-erasures.ts';
import { limits } from '../domain/limits/limits.ts';
import type { VideoProvider } from '../providers/provider.ts';
import { inputKeysOf } from '../storage/input-keys.ts';
import type { ActivityDeps } from './deps.ts';

export interface EraseDeps extends Pick<ActivityDeps, 'db' | 'store' | 'log'> {
  readonly providers: ReadonlyMap<string, Pick<VideoProvider, 'erase'>>;
}

/**
 * Goes on with deletions that are due: objects first, then vendors' records. No workflow: everything that has to be
 * remembered is in the row of the deletion and in the ledger, and each step may be repeated. `again`: there may be more.
 */
export async function eraseJobs(deps: EraseDeps): Promise<'again' | 'idle'> {
  const count = limits.erasuresAtOnceMax;
  const erasures = await leaseErasures(deps.db, { count, leaseMs: limits.eraseLeaseMs });
  await Promise.all(erasures.map((erasure) => visit(deps, erasure)));
  return erasures.length < count ? 'idle' : 'again';
}

/** One that fails is tried again later, and keeps nobody else's waiting. */
async function visit(deps: EraseDeps, erasure: OpenErasure): Promise<void> {
  const { jobId } = erasure;
  const note = await erase(deps, erasure).catch((error: unknown): ErasureNote => {
    deps.log.warn({ err: error, job: jobId }, 'a deletion could not be completed');
    return { jobId, state: 'failed', dueInMs: retryMs(erasure) };
  });
  await noteErasure(deps.db, note);
}

async function erase(deps: EraseDeps, erasure: OpenErasure): Promise<ErasureNote> {
  const { jobId, isFinal, isErased } = erasure;
  // Somebody may still be reading its picture, or be making the copy of its video.
  if (!isFinal) return { jobId, state: 'waiting', dueInMs: lookMs(erasure) };
  await emptyTraces(deps.db, jobId);
  await removeObjects(deps, erasure);
  if (isErased) return { jobId, state: 'closed', dueInMs: 0 };

  const views = await Promise.all(erasure.attempts.map((attempt) => eraseAtVendor(deps, { erasure, attempt })));
  if (views.includes('failed')) return { jobId, state: 'failed', dueInMs: retryMs(erasure) };
  if (views.includes('under_way')) return { jobId, state: 'waiting', dueInMs: lookMs(erasure) };
  deps.log.info({ job: jobId }, 'a deletion is complete');
  return { jobId, state: 'erased', dueInMs: limits.eraseLastLookMs };
}

/** All places where something of the job may lie, and not only those that a row names. */
async function removeObjects({ db, store }: EraseDeps, { jobId, tenant, assetKeys }: OpenErasure): Promise<void> {
  for (const key of [...inputKeysOf({ tenant, jobId }), ...assetKeys]) await store.remove(key);
  await noteObjectsRemoved(db, jobId);
}

interface VendorTask {
  readonly erasure: OpenErasure;
  readonly attempt: OpenAttempt;
}

/** Never of what may still be under way: the vendor would drop the record of a job that goes on and costs. */
async function eraseAtVendor(deps: EraseDeps, task: VendorTask): Promise<'done' | 'under_way' | 'failed'> {
  const { erasure, attempt } = task;
  if (!attempt.hasEnded) return 'under_way';
  const outcome = await ask(deps, task);
  if (outcome === null) return 'failed';
  await noteVendorErasure(deps.db, { jobId: erasure.jobId, attempt: attempt.attempt, erasure: outcome });
  return 'done';
}

/** Null: another try may succeed. */
async function ask({ providers, log }: EraseDeps, { erasure, attempt }: VendorTask): Promise<VendorErasure> {
  const { provider: name, operation, model } = attempt;
  const provider = providers.get(name);
  if (provider !== undefined && provider.erase === undefined) return 'not_supported';
  // Whether the vendor took it was never found out, so nobody knows what to ask for.
  if (operation === null || model === null) return 'failed';
  try {
    if (provider?.erase === undefined)
      throw new Error(`there is no provider ${name} here: keep it until it has forgotten`);
    await provider.erase({ operation, model });
    return 'erased';
  } catch (error) {
    const isLastTry = erasure.tries + 1 >= limits.eraseTriesMax;
    const facts = { err: error, job: erasure.jobId, attempt: attempt.attempt, provider: name };
    if (isLastTry) log.error(facts, 'a vendor keeps what was deleted: ask it yourself');
    else log.warn(facts, 'a vendor has not deleted yet');
    return isLastTry ? 'failed' : null;
  }
}

/** Soon while somebody may wait for the answer, then less and less often. */
function lookMs({ ageMs }: OpenErasure): number {
  if (ageMs < limits.eraseAnswerMsMax) return limits.eraseAnswerMsMax / 10;
  return Math.min(Math.max(limits.eraseLookMs, ageMs / 10), limits.eraseLookMsMax);
}

function retryMs({ tries }: OpenErasure): number {
  return Math.min(limits.eraseRetryMsMin * 2 ** Math.min(tries, 20), limits.eraseRetryMsMax);
}
