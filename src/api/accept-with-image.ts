import type { NewJob } from '../db/accept.ts';
import { limits } from '../domain/limits.ts';
import { inputKey } from '../storage/input-keys.ts';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from './accept-batcher.ts';
import type { Acceptor, AcceptOutcome } from './accept-jobs.ts';
import { problemOfBatch } from './batch-problem.ts';
import type { CheckedImage } from './check-image.ts';
import type { AppDeps } from './deps.ts';
import { storeAnswered } from './store-wait.ts';
import { type UploadedImage, uploadNotFound } from './uploaded-image.ts';

export interface AcceptDeps {
  readonly app: Pick<AppDeps, 'store' | 'logger'>;
  readonly acceptor: Acceptor;
}

/** The picture of a job, checked as far as that is possible before it is decoded. */
export type InputImage =
  | ({ readonly kind: 'bytes' } & CheckedImage)
  | { readonly kind: 'url'; readonly url: string }
  | ({ readonly kind: 'upload'; readonly pointer: string } & UploadedImage);

export interface JobToAccept {
  readonly job: NewJob;
  readonly image: InputImage | undefined;
  readonly waitMs: number;
}

/**
 * Accepts a job, or throws the problem to answer with. The picture is kept before the job is, because an accepted job
 * has its picture. Where no job came of it, it goes; it stays where that is in doubt.
 */
export async function acceptWithImage(deps: AcceptDeps, { job, image, waitMs }: JobToAccept): Promise<AcceptOutcome> {
  const input = await placeImage(deps.app, job, image);
  try {
    const outcome = await deps.acceptor.submit({ ...job, ...input }, waitMs);
    if (outcome.kind !== 'accepted') await discard(deps.app, input.inputImage);
    return outcome;
  } catch (error) {
    if (isProofOfNoJob(error)) await discard(deps.app, input.inputImage);
    throw problemOfBatch(error);
  }
}

type Input = Pick<NewJob, 'inputImage' | 'inputUrl'>;

async function placeImage(app: AcceptDeps['app'], job: NewJob, image: InputImage | undefined): Promise<Input> {
  if (image === undefined) return { inputImage: null, inputUrl: null };
  if (image.kind === 'url') return { inputImage: null, inputUrl: image.url };
  const key = inputKey({ tenant: job.tenant, jobId: job.id }, image.contentType);
  try {
    if (image.kind === 'bytes') await storeAnswered(write(app, key, image.bytes));
    // A copy of its own for each job: an upload may be named in many requests, and ends by its own clock.
    else if (!(await storeAnswered(app.store.copy(image.key, key))))
      throw uploadNotFound(image.pointer, 'The upload has just expired. Create another one.');
  } catch (error) {
    await discard(app, key);
    throw error;
  }
  return { inputImage: key, inputUrl: null };
}

async function write({ store }: AcceptDeps['app'], key: string, body: Buffer): Promise<void> {
  await store.write(key, { body, signal: AbortSignal.timeout(limits.storeWaitMsMax) });
}

/** A picture too many is no reason to refuse anything. */
async function discard({ store, logger }: AcceptDeps['app'], inputImage: string | null): Promise<void> {
  if (inputImage === null) return;
  try {
    await storeAnswered(store.remove(inputImage));
  } catch (error) {
    logger.warn({ err: error, inputImage }, 'a picture without a job was left behind');
  }
}

function isProofOfNoJob(error: unknown): boolean {
  if (error instanceof BatchUnansweredError) return !error.inDoubt;
  return error instanceof BacklogFullError || error instanceof UnwritableItemError;
}
