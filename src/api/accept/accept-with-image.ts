import type { NewJob } from '../../db/jobs/accept.ts';
import { limits } from '../../domain/limits/limits.ts';
import { inputKey } from '../../storage/input-keys.ts';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from './accept-batcher.ts';
import type { Acceptor, AcceptOutcome, AskedToAccept } from './accept-jobs.ts';
import { problemOfBatch } from './batch-problem.ts';
import type { CheckedImage } from '../input/check-image.ts';
import type { DatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { storeAnswered } from '../store-wait.ts';
import type { UploadKeeper } from '../input/upload-keeper.ts';
import { type UploadedImage, uploadNotFound } from '../input/uploaded-image.ts';

export interface AcceptDeps {
  readonly app: Pick<AppDeps, 'store' | 'logger'>;
  readonly acceptor: Acceptor;
  readonly keeper: UploadKeeper;
}

/** The picture of a job, checked as far as that is possible before it is decoded. */
export type InputImage =
  | ({ readonly kind: 'bytes' } & CheckedImage)
  | { readonly kind: 'url'; readonly url: string }
  | ({ readonly kind: 'upload'; readonly pointer: string } & UploadedImage);

export interface JobToAccept {
  readonly job: AskedToAccept;
  readonly image: InputImage | undefined;
  readonly wait: DatabaseWait;
  /** Another try of the same request may be accepting the job under the same id: its picture is not ours to remove. */
  readonly isShared: boolean;
}

/**
 * Accepts a job, or throws the problem to answer with. The picture is kept before the job is, because an accepted job
 * has its picture. Where no job came of it, it goes; where that is in doubt it stays, and goes by its note if need be.
 */
export async function acceptWithImage(deps: AcceptDeps, order: JobToAccept): Promise<AcceptOutcome> {
  const { job, wait, isShared } = order;
  const input = await inputOf(deps, order);
  try {
    const outcome = await deps.acceptor.submit({ ...job, ...input }, wait.leftMs());
    if (outcome.kind !== 'accepted') await discard(deps.app, input.inputImage);
    return outcome;
  } catch (error) {
    if (isProofOfNoJob(error) && !isShared) await discard(deps.app, input.inputImage);
    throw problemOfBatch(error);
  }
}

type Input = Pick<NewJob, 'inputImage' | 'inputUrl'>;

async function inputOf(deps: AcceptDeps, { job, image, wait, isShared }: JobToAccept): Promise<Input> {
  if (image === undefined) return { inputImage: null, inputUrl: null };
  if (image.kind === 'url') return { inputImage: null, inputUrl: image.url };
  const { id, tenant } = job;
  const key = inputKey({ tenant, jobId: id }, image.contentType);
  const bytes = image.kind === 'bytes' ? image.bytes.length : image.bytesPromised;
  // Before the first byte: whoever dies from here to the job's own row leaves nothing that nobody would remove.
  await deps.keeper.keep({ id, tenant, key, bytes, secondsKept: limits.uploadSecondsKept }, wait.leftMs());
  await wait.besides(place(deps.app, { key, image, isShared }));
  return { inputImage: key, inputUrl: null };
}

interface Placement extends Pick<JobToAccept, 'isShared'> {
  readonly key: string;
  readonly image: Exclude<InputImage, { kind: 'url' }>;
}

async function place(app: AcceptDeps['app'], { key, image, isShared }: Placement): Promise<void> {
  try {
    if (image.kind === 'bytes') await storeAnswered(write(app, key, image.bytes));
    // A copy of its own for each job: an upload may be named in many requests, and ends by its own clock.
    else if (!(await storeAnswered(app.store.copy(image.key, key))))
      throw uploadNotFound(image.pointer, 'The upload has just expired. Create another one.');
  } catch (error) {
    if (!isShared) await discard(app, key);
    throw error;
  }
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
