import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { isJobId, type OwnedJob } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { callerOf } from '../auth/caller.ts';
import { answeredOrLeft, beginDatabaseWait } from '../database-wait.ts';
import { loadEventCursors } from '../streams/event-cursors.ts';
import { followJob } from '../streams/follow-job.ts';
import { followTenant } from '../streams/follow-tenant.ts';
import { videoNotFound } from '../job-path.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import { parsed } from '../schemas.ts';
import type { StreamDeps } from '../streams/stream-deps.ts';
import type { StreamPlace } from '../streams/streams.ts';
import { takeUpgrade } from '../streams/upgrade.ts';
import { openSocket, type SocketConnection } from '../streams/websocket.ts';
import { tenantEventObject } from './stream-events.ts';
import { eventObject } from './stream-video-events.ts';

/**
 * `GET /v1/stream`: the events of all jobs of the tenant, or with `?video=` of one, over a WebSocket. `?after=` is the
 * last `cursor` seen, or of one video its last `seq`.
 */
export function streamSocket(deps: StreamDeps): RequestHandler {
  return async (request) => {
    if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket')
      throw new Problem('upgrade_required', {
        detail: 'Open this path as a WebSocket; GET /v1/events tells the same over plain HTTP.',
        headers: { upgrade: 'websocket' },
      });
    refuseUnlessHandshake(request);
    const { tenant } = callerOf(request);
    const { video, after } = parsed(streamQuerySchema, request.query);
    const owned = ownedJobOf(request, video);
    const place = deps.streams.take({ tenant, jobId: owned?.id ?? null });
    const open = (): Promise<SocketConnection | undefined> => connect(deps, { request, place });
    try {
      await (owned === undefined ? tellTenant(deps, { tenant, after, open }) : tellJob(deps, { owned, after, open }));
    } catch (error) {
      place.leave();
      throw error;
    }
  };
}

/** What RFC 6455 (4.2.1) wants of the client, asked while the refusal can be an answer of ours. */
function refuseUnlessHandshake(request: Request): void {
  if (!/^(8|13)$/.test(request.get('sec-websocket-version') ?? ''))
    throw new Problem('upgrade_required', {
      detail: 'Open this path as a WebSocket of version 13.',
      headers: { upgrade: 'websocket', 'sec-websocket-version': '13' },
    });
  if (!/^[+/0-9A-Za-z]{22}==$/.test(request.get('sec-websocket-key') ?? ''))
    throw fieldProblem('invalid_request', '/sec-websocket-key', 'This has to be 16 bytes in base64.');
}

interface Connecting {
  readonly request: Request;
  readonly place: StreamPlace;
}

/**
 * Called when it is known that there is something to tell: until then a refusal is an answer of HTTP. Undefined: the client
 * has gone.
 */
async function connect(deps: StreamDeps, { request, place }: Connecting): Promise<SocketConnection | undefined> {
  const upgrade = takeUpgrade(request);
  const socket = upgrade && (await openSocket(request, upgrade, deps.connectionOf(request)).catch(() => undefined));
  if (socket === undefined) {
    place.leave();
    return undefined;
  }
  socket.onClose(() => place.leave());
  place.open(socket);
  return socket;
}

interface Telling {
  readonly after: string | undefined;
  readonly open: () => Promise<SocketConnection | undefined>;
}

async function tellTenant(deps: StreamDeps, { tenant, after, open }: Telling & { tenant: string }): Promise<void> {
  const wait = beginDatabaseWait();
  const cursors = await loadEventCursors(deps, { tenant, wait });
  const position = after === undefined ? undefined : await cursors.open(after, '/after');
  const story = await answeredOrLeft(wait, followTenant(deps, { tenant, after: position }));
  const socket = await open();
  if (socket === undefined) return story.leave();
  socket.onClose(() => story.leave());
  socket.send({ type: 'ready', cursor: cursors.seal(story.since) });
  story.tell({
    event: (event) => socket.send({ type: 'event', cursor: cursors.seal(event), ...tenantEventObject(event) }),
    isFull: () => socket.isFull(),
    drained: () => socket.drained(),
    cut: () => socket.close(1_012),
  });
}

async function tellJob(deps: StreamDeps, { owned, after, open }: Telling & { owned: OwnedJob }): Promise<void> {
  const afterSeq = seqOf(after);
  const story = await followJob(deps, { owned, afterSeq, wait: beginDatabaseWait() });
  const socket = await open();
  if (story === 'over') return socket?.close(1_000);
  if (socket === undefined) return story.leave();
  socket.onClose(() => story.leave());
  story.tell({
    event: (event) => socket.send({ type: 'event', video_id: owned.id, ...eventObject(event) }),
    video: (video) => socket.send({ type: 'video', video }),
    end: () => socket.close(1_000),
  });
}

function seqOf(after = '0'): number {
  if (/^\d{1,9}$/.test(after)) return Number(after);
  throw fieldProblem('invalid_request', '/after', 'Of one video this has to be the `seq` of an event: a number.');
}

/** A client token follows its one job, whether or not that is said again. */
function ownedJobOf(request: Request, video: string | undefined): OwnedJob | undefined {
  const { tenant, jobId } = callerOf(request);
  const id = video ?? jobId;
  if (id === null) return undefined;
  if (!isJobId(id)) throw fieldProblem('invalid_id', '/video', 'This has to be `video_` and a UUID of version 7.');
  if (jobId !== null && jobId !== id) throw videoNotFound();
  return { id, tenant };
}

export const streamQuerySchema = z.strictObject({
  video: z.string('This may be given once.').max(128, 'This is too long.').optional(),
  after: z.string('This may be given once.').max(limits.cursorCharsMax, 'This is too long.').optional(),
  token: z.string('This may be given once.').optional(),
});
