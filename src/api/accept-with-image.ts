import type { NewJob } from '../db/accept.ts';
import type { StoredImage } from '../storage/image-store.ts';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from './accept-batcher.ts';
import type { Acceptor, AcceptOutcome } from './accept-jobs.ts';
import type { AppDeps } from './deps.ts';
import { Problem, temporaryProblem } from './problem.ts';

export interface AcceptDeps {
  readonly app: Pick<AppDeps, 'images' | 'logger'>;
  readonly acceptor: Acceptor;
}

export interface JobToAccept {
  readonly job: NewJob;
  readonly image: StoredImage | undefined;
  readonly waitMs: number;
}

/**
 * Accepts a job, or throws the problem to answer with. The picture is kept before the job is, because an accepted job
 * has its picture. Where no job came of it, it goes; it stays where that is in doubt.
 */
export async function acceptWithImage(deps: AcceptDeps, { job, image, waitMs }: JobToAccept): Promise<AcceptOutcome> {
  const inputImage = image === undefined ? null : await deps.app.images.save(job.id, image);
  try {
    const outcome = await deps.acceptor.submit({ ...job, inputImage }, waitMs);
    if (outcome.kind !== 'accepted') await discard(deps.app, inputImage);
    return outcome;
  } catch (error) {
    if (isProofOfNoJob(error)) await discard(deps.app, inputImage);
    throw problemOf(error);
  }
}

/** A picture too many is no reason to refuse anything. */
async function discard({ images, logger }: AcceptDeps['app'], inputImage: string | null): Promise<void> {
  if (inputImage === null) return;
  try {
    await images.remove(inputImage);
  } catch (error) {
    logger.warn({ err: error, inputImage }, 'a picture without a job was left behind');
  }
}

function isProofOfNoJob(error: unknown): boolean {
  if (error instanceof BatchUnansweredError) return !error.inDoubt;
  return error instanceof BacklogFullError || error instanceof UnwritableItemError;
}

function problemOf(error: unknown): unknown {
  if (error instanceof BacklogFullError) return temporaryProblem('overloaded', error);
  if (error instanceof BatchUnansweredError) return temporaryProblem('database_unavailable', error.cause ?? error);
  if (!(error instanceof UnwritableItemError)) return error;
  return new Problem('invalid_request', {
    detail: 'The request holds something that can not be stored.',
    cause: error,
  });
}
