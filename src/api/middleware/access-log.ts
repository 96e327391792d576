import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { findCaller } from '../auth/caller.ts';
import { isLongLived } from '../load/long-lived.ts';
import type { ApiMetrics } from '../metrics.ts';

export interface AccessLogDeps {
  readonly logger: Logger;
  readonly metrics: Pick<ApiMetrics, 'requestSeconds'>;
}

/** Slower than any promise of ours. */
const slowMs = 1_000;

/**
 * A line and a measurement a request, by the pattern of its route: paths, queries, headers and bodies may hold tokens,
 * keys and prompts, and go nowhere. What went well is told at `debug`, since a flood would drown everything else.
 */
export function accessLog({ logger, metrics }: AccessLogDeps): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    response.once('close', () => {
      const ms = performance.now() - startedAt;
      const status = statusOf(response);
      const route = routeOf(request);
      const isLong = isLongLived(response);
      if (!isLong) metrics.requestSeconds.observe({ method: request.method, route, status }, ms / 1_000);
      const level = status >= 500 || (ms > slowMs && !isLong) ? 'info' : 'debug';
      if (!logger.isLevelEnabled(level)) return;
      logger[level](
        { ...fieldsOf(request, response), method: request.method, route, status, ms: Math.round(ms * 10) / 10 },
        'request',
      );
    });
    next();
  };
}

/** What nginx says of a client that did not wait for its answer. */
const clientGone = 499;
/** The connection goes on as a WebSocket: there is no end of an answer. */
const switched = 101;

function statusOf({ writableFinished, statusCode }: Response): number {
  return writableFinished || statusCode === switched ? statusCode : clientGone;
}

/** One of ours, never what was asked for: anybody may ask for anything. */
function routeOf({ route }: Request): string {
  return typeof route?.path === 'string' ? route.path : 'none';
}

function fieldsOf(request: Request, response: Response): Record<string, unknown> {
  const caller = findCaller(request);
  return {
    requestId: response.get('x-request-id'),
    trace: traceOf(request.get('traceparent')),
    ...(caller && { tenant: caller.tenant, key: caller.keyId ?? undefined }),
    job: jobOf(request, response),
  };
}

/** The trace that a request belongs to, where its sender says so by W3C Trace Context. */
function traceOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-/.exec(header)?.[1];
}

function jobOf(request: Request, response: Response): string | undefined {
  const path = response.get('location') ?? `/v1/videos/${String(request.params['id'] ?? request.params['attempt'])}`;
  return /\b(video_[0-9a-f-]{36})\b/.exec(path)?.[1];
}
