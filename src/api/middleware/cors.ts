import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';

const methods = 'GET, HEAD, POST, PATCH, DELETE';

/** What a page may send. */
const requestHeaders =
  'authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer, range, ' +
  'x-stainless-arch, x-stainless-lang, x-stainless-os, x-stainless-package-version, x-stainless-retry-count, ' +
  'x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout';

/** What a page may read beyond what every page may. */
const responseHeaders =
  'accept-ranges, content-disposition, content-length, content-range, etag, idempotency-replayed, location, ' +
  'preference-applied, ratelimit, ratelimit-policy, repr-digest, retry-after, www-authenticate, x-request-id, x-should-retry';

/**
 * Lets pages of the listed origins call, with a key or a token in hand: browsers ask first, by OPTIONS. No cookie goes
 * along, and no other origin learns that anybody may.
 */
export function cors(origins: readonly string[]): RequestHandler {
  const listed = new Set(origins);
  return (request, response, next) => {
    if (listed.size > 0) response.vary('origin');
    const { origin } = request.headers;
    if (origin === undefined || !listed.has(origin)) return next();
    response.set({ 'access-control-allow-origin': origin, 'access-control-expose-headers': responseHeaders });
    const isPreflight = request.method === 'OPTIONS' && request.get('access-control-request-method') !== undefined;
    if (!isPreflight) return next();
    response.set({
      'access-control-allow-methods': methods,
      'access-control-allow-headers': requestHeaders,
      'access-control-max-age': String(limits.preflightSecondsKept),
    });
    response.status(204).end();
  };
}
