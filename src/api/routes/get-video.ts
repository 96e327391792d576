import type { RequestHandler, Response } from 'express';
import { isFinal, type OwnedJob } from '../../domain/job.ts';
import { retryAfterSeconds } from '../../domain/progress.ts';
import { answeredOrLeft, beginDatabaseWait } from '../database-wait.ts';
import { entityTagOf, isKnown } from '../reading/entity-tag.ts';
import { findVideo, type FindVideoDeps } from '../reading/find-video.ts';
import { ownedJobOf } from '../job-path.ts';
import { beginLongLived } from '../load/long-lived.ts';
import { beginEndWait, type EndWait, type EndWaitDeps, preferredWaitSeconds } from '../streams/prefer-wait.ts';
import type { VideoObject } from '../reading/video-object.ts';

/** `GET /v1/videos/{id}`, at once or, with `Prefer: wait=N`, when the job has ended or N seconds have passed. */
export function getVideo(deps: FindVideoDeps & EndWaitDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const seconds = preferredWaitSeconds(request);
    const wait = beginDatabaseWait();
    const ending =
      seconds > 0 ? await answeredOrLeft(wait, beginEndWait(deps, { owned, seconds, response })) : undefined;
    const video = await findWaiting(deps, { owned, ending, response }).finally(() => ending?.leave());
    if (ending !== undefined) response.set('preference-applied', `wait=${seconds}`);
    response.set('cache-control', 'private, no-cache').vary('prefer');
    if (!isFinal(video.status))
      response.set('retry-after', String(retryAfterSeconds(etaSecondsOf(video), Math.random())));
    const body = JSON.stringify(video);
    const entityTag = entityTagOf(body);
    response.set('etag', entityTag);
    if (isKnown(request, entityTag)) response.status(304).end();
    else
      response
        .setHeader('content-type', 'application/json; charset=utf-8')
        .setHeader('content-length', Buffer.byteLength(body))
        .end(body);
  };
}

interface Waiting {
  readonly owned: OwnedJob;
  readonly ending: EndWait | undefined;
  readonly response: Response;
}

/** What is not over is read again when it may be. */
async function findWaiting(deps: FindVideoDeps, { owned, ending, response }: Waiting): Promise<VideoObject> {
  const video = await findVideo(deps, { owned, wait: beginDatabaseWait() });
  if (ending === undefined || isFinal(video.status)) return video;
  beginLongLived(response);
  await ending.over();
  return await findVideo(deps, { owned, wait: beginDatabaseWait() });
}

/** Under way, the progress is all that is known: a client that is early asks again. */
function etaSecondsOf(video: VideoObject): number {
  return video.queue?.eta_seconds ?? (100 - video.progress) / 2;
}
