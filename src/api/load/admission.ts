import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { nextInFlightLimit } from '../../domain/in-flight-limit.ts';
import { limits } from '../../domain/limits/limits.ts';
import { onLongLived } from './long-lived.ts';
import { watchLoopLag } from './loop-lag.ts';
import { bodyOfProblem, Problem } from '../problems/problem.ts';
import { problemKinds } from '../problems/problem-kinds.ts';

/** Who is let in while there is more to do than can be done. */
export interface Admission {
  /** Puts itself before a handler. */
  guard(handler: RequestListener): RequestListener;
  inFlight(): number;
  /** Streams, downloads and waits that are open, which do not count as under way. */
  longLived(): number;
  /** As many may be in flight now. */
  limit(): number;
  stop(): void;
}

export interface AdmissionSettings {
  readonly onShed: (kind: 'request' | 'callback') => void;
  /** How many may be in flight, by how late the process is. */
  readonly nextLimit?: typeof nextInFlightLimit;
}

/** A request that counts as under way, unless its client is slow to send it. */
interface Entry {
  readonly request: IncomingMessage;
  readonly startedAt: number;
  isCounted: boolean;
}

/**
 * Refuses what would only make everybody wait: before anything is read, parsed or looked up, by what is in flight and by
 * how late the process is. Not an Express middleware: a refusal that costs as much as an answer would be of no help.
 * Providers' callbacks are let in for longest, since each frees a slot that is paid for. What stays open while nothing
 * happens, a stream or a download, counts until that has begun, and no longer.
 */
export function createAdmission({ onShed, nextLimit = nextInFlightLimit }: AdmissionSettings): Admission {
  const sending = new Set<Entry>();
  let inFlight = 0;
  let callbacks = 0;
  let longLived = 0;
  let firstAt = Number.POSITIVE_INFINITY;
  let limit = nextLimit(limits.inFlightMax, { lagMs: 0, elapsedMs: 0 });
  const lag = watchLoopLag((sample) => {
    if (performance.now() - firstAt >= limits.coldMsMax) limit = nextLimit(limit, sample);
    if (sending.size > 0) forgetSlowSenders();
  });

  return {
    guard: (handler) => (request, response) => {
      firstAt = Math.min(firstAt, performance.now());
      if (!isPlain(request)) return refuse(unreadable, request, response);
      if (isCallback(request)) return guardCallback(handler, request, response);
      if (inFlight >= limit) return shed('request', request, response);
      count(request, response);
      handler(request, response);
    },
    inFlight: () => inFlight,
    longLived: () => longLived,
    limit: () => Math.floor(limit),
    stop: () => lag.stop(),
  };

  function guardCallback(handler: RequestListener, ...[request, response]: Parameters<RequestListener>): void {
    if (callbacks >= limits.callbacksInFlightMax) return shed('callback', request, response);
    callbacks += 1;
    response.once('close', () => (callbacks -= 1));
    handler(request, response);
  }

  function shed(kind: 'request' | 'callback', ...[request, response]: Parameters<RequestListener>): void {
    onShed(kind);
    refuse(overload, request, response);
  }

  function count(request: IncomingMessage, response: ServerResponse): void {
    const entry: Entry = { request, startedAt: performance.now(), isCounted: true };
    const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
    if (hasBody) sending.add(entry);
    inFlight += 1;
    response.once('close', () => leave(entry));
    onLongLived(response, () => {
      leave(entry);
      longLived += 1;
      response.once('close', () => (longLived -= 1));
    });
  }

  function leave(entry: Entry): void {
    sending.delete(entry);
    forget(entry);
  }

  function forget(entry: Entry): void {
    if (entry.isCounted) inFlight -= 1;
    entry.isCounted = false;
  }

  /** They wait for their clients: a few hundred that send a byte a second are not to keep everybody else out. */
  function forgetSlowSenders(): void {
    const before = performance.now() - limits.bodyMsQuick;
    for (const entry of sending) {
      if (entry.startedAt > before) break;
      sending.delete(entry);
      if (!entry.request.complete) forget(entry);
    }
  }
}

/**
 * A path and a query, in the characters that RFC 9112 has for them. Of an absolute form, a fragment or a backslash different
 * readers make different paths: one of them would judge what a request may do, and another one what it does.
 */
function isPlain({ url = '' }: IncomingMessage): boolean {
  return /^\/[!-"$-[\]-~]*$/.test(url);
}

function isCallback({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/v1/callbacks/');
}

const detail = 'More comes in than can be answered. Try again in a moment.';
const overload = new Problem('overloaded', { detail });
const unreadable = new Problem('invalid_path', {
  detail:
    'The target of a request has to begin with `/`, and to have neither a fragment nor characters that need an escape.',
});

/** The same problem that Express' handlers would make, for a fraction of the work. */
// oxlint-disable-next-line max-params -- a handler's two, and what it is about.
function refuse(problem: Problem, request: IncomingMessage, response: ServerResponse): void {
  const requestId = randomUUID();
  const isAskedAgain = problem === overload;
  // Only of a path that can be read: tokens in queries are told apart by their question mark.
  const instance = isAskedAgain ? (request.url ?? '').split('?', 1)[0] : undefined;
  const body = JSON.stringify(bodyOfProblem(problem, { requestId, instance }));
  // Node reads what is left of a small body by itself. A large one is not worth it: its client sees the connection end.
  const isLarge = Number(request.headers['content-length'] ?? 0) > limits.refusedBodyBytesMax;
  response.writeHead(problemKinds[problem.kind].status, {
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(isAskedAgain && { 'retry-after': String(1 + Math.floor(Math.random() * 4)) }),
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    ...(isLarge && { connection: 'close' }),
  });
  response.end(body);
}
