import { Pool, type Dispatcher } from 'undici';

import { limits } from '../domain/limits/limits.ts';
import { collectAnswer, type CollectedAnswer } from './collect-answer.ts';

export { HttpError } from './http-error.ts';

/**
 * The only door to a vendor. It sends what it is given once: no retries, no redirects, no body without a bound and no
 * wait without an end. Keys go to the configured origin only, because there is no way to name another one.
 */
export interface Http {
  /** Resolves with any answer, whatever its status. Throws `HttpError` when there was none, or none to be read. */
  request(request: HttpRequest): Promise<HttpResponse>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From the base URL, without a query: `/api/v3/balance`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  /** Beside those that every request to this vendor carries. */
  readonly headers?: Readonly<Record<string, string>>;
  /** From now until the last byte of the answer. */
  readonly timeoutMs?: number;
}

export interface HttpBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export type HttpResponse = CollectedAnswer;

export interface HttpSettings {
  /** Scheme, host and port, and a path that every request's path is put behind. */
  readonly baseUrl: string;
  /** Asked for every request, so that a key can be rotated. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly timeouts: HttpTimeouts;
  readonly bytesMax?: number;
  readonly userAgent?: string;
}

export interface HttpTimeouts {
  readonly connectMs: number;
  /** For a request that names no `timeoutMs`. */
  readonly totalMs: number;
  /** Between two pieces of an answer that has begun. Before that a vendor may think for as long as the request allows. */
  readonly idleMs?: number;
}

export const defaultUserAgent = 'spillway';

export function createHttp(settings: HttpSettings): Http {
  const base = baseOf(settings.baseUrl);
  // Our own deadline covers the whole exchange, so undici's partial ones are off. One request a connection at a time:
  // undici may write a pipelined request again after a failure, and a paid POST must never be written twice.
  const pool = new Pool(base.origin, {
    connect: { timeout: settings.timeouts.connectMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
  });
  return {
    async request(request) {
      const options = dispatchOptions(request, { base, settings });
      return await collectAnswer((exchange) => pool.dispatch(options, exchange), {
        totalMs: request.timeoutMs ?? settings.timeouts.totalMs,
        idleMs: settings.timeouts.idleMs ?? limits.vendorAnswerIdleMsMax,
        bytesMax: settings.bytesMax ?? limits.vendorAnswerBytesMax,
      });
    },
  };
}

function dispatchOptions(
  request: HttpRequest,
  door: { base: Base; settings: HttpSettings },
): Dispatcher.DispatchOptions {
  const path = door.base.path + request.path;
  const url = new URL(path, door.base.origin);
  // Behind a proxy's path `/api`, a path `../x` or `v3` would come out as a path of the proxy's own.
  const inPlace = /^\/(?!\/)/.test(request.path) && url.origin === door.base.origin && url.pathname === path;
  if (!inPlace) throw new Error('the path leaves its place: begin it with one slash and give its query apart');
  url.search = new URLSearchParams(request.query).toString();
  return {
    method: request.method,
    path: url.pathname + url.search,
    headers: {
      accept: 'application/json',
      'user-agent': door.settings.userAgent ?? defaultUserAgent,
      ...door.settings.headers(),
      ...request.headers,
      ...(request.body && { 'content-type': request.body.contentType }),
    },
    body: request.body?.bytes ?? null,
  };
}

interface Base {
  readonly origin: string;
  /** Without a slash at its end, because every request's path begins with one. */
  readonly path: string;
}

function baseOf(text: string): Base {
  const url = new URL(text);
  const bare = !url.search && !url.hash && !url.username && !url.password;
  if (!bare || !['https:', 'http:'].includes(url.protocol))
    throw new Error('a base URL is http or https, a host, a port and a path, and nothing else');
  return { origin: url.origin, path: url.pathname.replace(/\/+$/, '') };
}
