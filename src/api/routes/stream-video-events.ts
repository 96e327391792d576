import type { Request, RequestHandler } from 'express';
import type { JobEvent } from '../../db/jobs/read-jobs.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { followJob } from '../streams/follow-job.ts';
import { ownedJobOf } from '../job-path.ts';
import { fieldProblem } from '../problems/problem.ts';
import { beginSse } from '../streams/begin-sse.ts';
import { lastEventIdOf } from '../streams/sse.ts';
import type { StreamDeps } from '../streams/stream-deps.ts';

/** `GET /v1/videos/{id}/events`: the events of a job from the first or from the last one seen, and the video as it changes. */
export function streamVideoEvents(deps: StreamDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const afterSeq = seqOf(request);
    const place = deps.streams.take({ tenant: owned.tenant, jobId: owned.id });
    response.once('close', () => place.leave());
    const story = await followJob(deps, { owned, afterSeq, wait: beginDatabaseWait() });
    // An EventSource does not come back after a 204.
    if (story === 'over') return void response.status(204).end();
    const sse = beginSse(deps, { request, response, place, story });
    if (sse === undefined) return;
    story.tell({
      event: (event) => sse.send({ id: String(event.seq), event: event.kind, data: eventObject(event) }),
      video: (video) => sse.send({ event: 'video', data: video }),
      end: () => sse.end(),
    });
  };
}

export function eventObject({ seq, at, kind, data }: JobEvent) {
  return { seq, at, kind, data };
}

function seqOf(request: Request<{ id: string }>): number {
  const id = lastEventIdOf(request) ?? '0';
  if (/^\d{1,9}$/.test(id)) return Number(id);
  throw fieldProblem(
    'invalid_request',
    '/last-event-id',
    'This has to be the `id` of an event of this video: a number.',
  );
}
