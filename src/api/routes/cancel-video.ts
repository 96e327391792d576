import type { RequestHandler } from 'express';
import { findLiveAttempts, requestCancel } from '../../db/jobs/cancel.ts';
import { cancellationOf } from '../reading/cancellation.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { findVideo, type FindVideoDeps } from '../reading/find-video.ts';
import { ownedJobOf, videoNotFound } from '../job-path.ts';

/**
 * `POST /v1/videos/{id}/cancel`: ends a waiting job at once, asks for the end of one under way, changes no final one. The
 * answer is the video as it stands now, and what the cancel has come to.
 */
export function cancelVideo(deps: FindVideoDeps & Pick<AppDeps, 'notifyMail'>): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const wait = beginDatabaseWait();
    const phase = await wait.answered(requestCancel(deps.pool, owned));
    if (phase === null) throw videoNotFound();
    deps.notifyMail();
    const live = await wait.answered(findLiveAttempts(deps.pool, owned));
    if (live === undefined) throw videoNotFound();
    const video = await findVideo(deps, { owned, wait });
    response.json({ ...video, cancellation: cancellationOf(video.status, live) });
  };
}
