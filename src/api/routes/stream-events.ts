import type { RequestHandler } from 'express';
import type { EventPosition, TenantEvent } from '../../db/events.ts';
import { isJobId } from '../../domain/job.ts';
import { callerOf } from '../caller.ts';
import type { CursorSeal } from '../cursors.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { followTenant } from '../follow-tenant.ts';
import { fieldProblem, Problem } from '../problem.ts';
import { lastEventIdOf, openSse } from '../sse.ts';
import type { StreamDeps } from '../stream-deps.ts';
import { retryMs } from '../streams.ts';
import { eventObject } from './stream-video-events.ts';

/** `GET /v1/events`: the events of all jobs of the tenant, from now on or from the last one seen. */
export function streamEvents(deps: StreamDeps): RequestHandler {
  return async (request, response) => {
    const { tenant, jobId } = callerOf(request);
    if (jobId !== null) throw new Problem('not_found');
    const wait = beginDatabaseWait();
    const seal = await wait.answered(deps.cursors.load());
    const cursors = createEventCursors(seal, tenant);
    const id = lastEventIdOf(request);
    const after = id === undefined ? undefined : cursors.open(id, '/last-event-id');
    const place = deps.streams.take({ tenant, jobId: null });
    response.once('close', () => place.leave());
    const story = await wait.answered(followTenant(deps, { tenant, after }));
    if (response.destroyed || request.method === 'HEAD') {
      story.leave();
      return void response.type('text/event-stream').end();
    }
    response.once('close', () => story.leave());
    const sse = openSse(response, deps.connectionOf(request));
    place.open(sse);
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

export interface EventCursors {
  seal(position: EventPosition): string;
  /** Throws a problem with the field that the cursor came in. */
  open(cursor: string, pointer: string): EventPosition;
}

/** Places among the events of one tenant, as its readers keep them. */
export function createEventCursors(seal: CursorSeal, tenant: string): EventCursors {
  return {
    seal: ({ tx, job, seq }) => seal.seal(['events', tenant], [tx, job, String(seq)]),
    open(cursor, pointer) {
      const [tx = '', job = '', seq = ''] = seal.open(['events', tenant], cursor) ?? [];
      if (/^\d{1,20}$/.test(tx) && /^\d{1,9}$/.test(seq) && (job === '' || isJobId(job)))
        return { tx, job, seq: Number(seq) };
      throw fieldProblem('invalid_request', pointer, 'This has to be the `id` of an event of this stream.');
    },
  };
}
