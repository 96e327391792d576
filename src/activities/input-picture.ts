import { findJobToSubmit, type JobToSubmit } from '../db/ledger/attempts.ts';
import { keepPreparedPicture } from '../db/jobs/input-pictures.ts';
import { type Failure, failureOf } from '../domain/failure.ts';
import type { JobId } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';
import { preparedKey } from '../storage/input-keys.ts';
import { readObject } from '../storage/read-object.ts';
import type { ActivityDeps } from './deps.ts';
import { fetchPicture } from './fetch-picture.ts';
import { createGate } from './gate.ts';
import { limitSharp, prepareImage, UndecodableError } from './prepare-image.ts';

/** A job's picture as vendors get it, or why there is none. */
export type InputPicture =
  | { readonly kind: 'none' }
  | { readonly kind: 'ready'; readonly key: string; readonly bytes: Buffer }
  | { readonly kind: 'unusable'; readonly failure: Failure };

export type ReadInputPicture = (jobId: JobId, job: JobToSubmit) => Promise<InputPicture>;

/**
 * Prepares a job's picture when it is needed first, and reads it from then on. Whoever dies in between leaves what the
 * next one begins with, or does again. Trouble of the store or the database is thrown: another try may succeed.
 */
export function createInputPictures(deps: ActivityDeps): ReadInputPicture {
  limitSharp();
  const waitMsMax = limits.inputLineMsMax;
  const preparing = createGate({ placesMax: limits.preparedAtOnceMax, waitMsMax });
  // A caller's server may be slow; its picture is in memory all the while.
  const fetching = createGate({ placesMax: limits.inputFetchesAtOnceMax, waitMsMax });

  return async function readInputPicture(jobId, job) {
    if (job.inputPrepared) return await readPrepared(deps, job.inputImage);
    const place = { jobId, job };
    if (job.inputImage !== null) return await preparing(() => prepareStored(deps, place));
    const url = job.inputUrl;
    if (url === null) return { kind: 'none' };
    return await fetching(async () => {
      const fetched = await fetchPicture(deps.openInput, url);
      return 'failure' in fetched
        ? unusable(fetched.failure)
        : await preparing(() => prepare(deps, place, fetched.bytes));
    });
  };
}

interface Place {
  readonly jobId: JobId;
  readonly job: JobToSubmit;
}

async function readPrepared(deps: ActivityDeps, key: string | null): Promise<InputPicture> {
  const bytes = key === null ? undefined : await readPicture(deps, key);
  return key === null || bytes === undefined ? lost() : { kind: 'ready', key, bytes };
}

async function prepareStored(deps: ActivityDeps, place: Place): Promise<InputPicture> {
  const raw = await readPicture(deps, place.job.inputImage ?? '');
  if (raw !== undefined) return await prepare(deps, place, raw);
  // Another try of this activity, still at work, may have prepared it since, and removed what it was made of.
  const now = await findJobToSubmit(deps.db, place.jobId);
  return now?.inputPrepared === true ? await readPrepared(deps, now.inputImage) : lost();
}

async function prepare(deps: ActivityDeps, { jobId, job }: Place, raw: Buffer): Promise<InputPicture> {
  const prepared = await prepareImage(raw).catch(asUndecodable);
  if (prepared === undefined) return unusable(failureOf('invalid_input', { vendorCode: 'undecodable_picture' }));
  const key = preparedKey({ tenant: job.tenant, jobId });
  await deps.store.write(key, { body: prepared, signal: AbortSignal.timeout(limits.storeWaitMsMax) });
  const kept = await keepPreparedPicture(deps.db, { jobId, key });
  await forget(deps, kept ? job.inputImage : key);
  return kept ? { kind: 'ready', key, bytes: prepared } : lost();
}

function asUndecodable(error: unknown): undefined {
  if (error instanceof UndecodableError) return undefined;
  throw error;
}

/** Nobody needs it any more. Where it can't be removed now, retention will. */
async function forget({ store, log }: ActivityDeps, key: string | null): Promise<void> {
  if (key === null) return;
  await store.remove(key).catch((error: unknown) => log.warn({ err: error, key }, 'a raw picture was left behind'));
}

/** The bytes of a picture. Undefined: there are none. */
async function readPicture({ store }: ActivityDeps, key: string): Promise<Buffer | undefined> {
  const found = await readObject(store, { key, signal: AbortSignal.timeout(limits.storeWaitMsMax) });
  return found?.content;
}

function unusable(failure: Failure): InputPicture {
  return { kind: 'unusable', failure };
}

/** The picture went with a job that was deleted meanwhile, or the store has lost it: either way nobody has it any more. */
function lost(): InputPicture {
  return unusable(failureOf('media_fetch'));
}
