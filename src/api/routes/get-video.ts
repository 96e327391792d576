import type { RequestHandler } from 'express';
import { isFinal } from '../../domain/job.ts';
import { retryAfterSeconds } from '../../domain/progress.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { findVideo, type FindVideoDeps } from '../find-video.ts';
import { ownedJobOf } from '../job-path.ts';
import type { VideoObject } from '../video-object.ts';

/** `GET /v1/videos/{id}` */
export function getVideo(deps: FindVideoDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const video = await findVideo(deps, { owned: ownedJobOf(request), wait: beginDatabaseWait() });
    response.set('cache-control', 'private, no-cache');
    if (!isFinal(video.status))
      response.set('retry-after', String(retryAfterSeconds(etaSecondsOf(video), Math.random())));
    response.json(video);
  };
}

/** Under way, the progress is all that is known: a client that is early asks again. */
function etaSecondsOf(video: VideoObject): number {
  return video.queue?.eta_seconds ?? (100 - video.progress) / 2;
}
