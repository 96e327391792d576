import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestHandler } from 'express';
import { eraseJob, findReceipt, type Receipt } from '../../db/retention/erase.ts';
import type { OwnedJob } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { deletedVideo } from '../reading/deleted-video.ts';
import type { AppDeps } from '../deps.ts';
import type { JobQuery } from '../reading/find-video.ts';
import { ownedJobOf, videoNotFound } from '../job-path.ts';
import { retryNumberOf } from '../accept/retry-inference.ts';

export type DeleteVideoDeps = Pick<AppDeps, 'pool' | 'servedBySimulator' | 'notifyMail' | 'notifyErased'>;

/**
 * `DELETE /v1/videos/{id}`: forgets a job, whatever its phase, and answers with a receipt. What lies here is gone with the
 * answer; a worker removes pictures and videos and asks providers. The answer waits a moment for that, and says what is
 * still to come: it comes without another call.
 */
export function deleteVideo(deps: DeleteVideoDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const wait = beginDatabaseWait();
    const isErasedNow = await wait.answered(eraseJob(deps.pool, owned));
    // A client that says that it asks again has not heard the first answer.
    if (!isErasedNow && (retryNumberOf(request) ?? 0) === 0) throw videoNotFound();
    // Somebody may have to hear of the cancel first.
    deps.notifyMail();
    deps.notifyErased?.();
    const receipt = await untilErased(deps, { owned, wait });
    response.json(deletedVideo(owned.id, receipt, deps.servedBySimulator ?? false));
  };
}

/** The receipt once nothing is left to do, or as it is when the time is over. */
async function untilErased(deps: DeleteVideoDeps, query: JobQuery): Promise<Receipt> {
  const { owned, wait } = query;
  const giveUpAt = performance.now() + limits.eraseAnswerMsMax;
  let everyMs = limits.eraseAnswerEveryMs;
  for (;;) {
    const receipt = await wait.answered(readReceipt(deps, owned));
    if (isDone(receipt) || performance.now() + everyMs > giveUpAt) return receipt;
    await wait.besides(sleep(everyMs));
    everyMs *= 1.5;
  }
}

async function readReceipt({ pool }: DeleteVideoDeps, owned: OwnedJob): Promise<Receipt> {
  const receipt = await findReceipt(pool, owned);
  if (receipt === undefined) throw videoNotFound();
  return receipt;
}

/** Or nothing more is to be done for now: a vendor that is still at work keeps nobody waiting, as that may take minutes. */
function isDone({ erasedAt, isRemoved, attempts }: Receipt): boolean {
  const underWay = attempts.filter(({ hasEnded }) => !hasEnded);
  const others = attempts.filter(({ hasEnded }) => hasEnded);
  return erasedAt !== null || (isRemoved && underWay.length > 0 && others.every(({ erasure }) => erasure !== null));
}
