import type { RequestHandler } from 'express';
import type { TenantEvent } from '../../db/jobs/events.ts';
import { callerOf } from '../auth/caller.ts';
import { answeredOrLeft, beginDatabaseWait } from '../database-wait.ts';
import { loadEventCursors } from '../streams/event-cursors.ts';
import { followTenant } from '../streams/follow-tenant.ts';
import { Problem } from '../problems/problem.ts';
import { beginSse } from '../streams/begin-sse.ts';
import { lastEventIdOf } from '../streams/sse.ts';
import type { StreamDeps } from '../streams/stream-deps.ts';
import { retryMs } from '../streams/streams.ts';
import { eventObject } from './stream-video-events.ts';

/** `GET /v1/events`: the events of all jobs of the tenant, from now on or from the last one seen. */
export function streamEvents(deps: StreamDeps): RequestHandler {
  return async (request, response) => {
    const { tenant, jobId } = callerOf(request);
    if (jobId !== null) throw new Problem('not_found');
    const wait = beginDatabaseWait();
    const cursors = await loadEventCursors(deps, { tenant, wait });
    const id = lastEventIdOf(request);
    const after = id === undefined ? undefined : await cursors.open(id, '/last-event-id');
    const place = deps.streams.take({ tenant, jobId: null });
    response.once('close', () => place.leave());
    const story = await answeredOrLeft(wait, followTenant(deps, { tenant, after }));
    const sse = beginSse(deps, { request, response, place, story });
    if (sse === undefined) return;
    // Without data nobody is told of it, but whoever is cut off before the first event comes back to here.
    sse.send({ id: cursors.seal(story.since) });
    story.tell({
      event: (event) => sse.send({ id: cursors.seal(event), event: event.kind, data: tenantEventObject(event) }),
      isFull: () => sse.isFull(),
      drained: () => sse.drained(),
      cut: () => sse.sendAway(retryMs()),
    });
  };
}

export function tenantEventObject(event: TenantEvent) {
  return { video_id: event.job, ...eventObject(event) };
}
