import type { RequestHandler } from 'express';
import { requestCancel } from '../../db/cancel.ts';
import { answered } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { findVideo } from '../find-video.ts';
import { ownedJobOf, videoNotFound } from '../job-path.ts';

/** `POST /v1/videos/{id}/cancel`: ends a waiting job at once, asks for the end of one under way, changes no final one. */
export function cancelVideo(deps: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const phase = await answered(requestCancel(deps.pool, owned));
    if (phase === null) throw videoNotFound();
    deps.notifyMail();
    response.json(await findVideo(deps, owned));
  };
}
