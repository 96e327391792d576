import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';

/**
 * Lets pages of any origin send to a URL that carries its own permission. No cookie and no key goes along, so a page can
 * do no more than whoever gave it the URL. Browsers ask first, by OPTIONS.
 */
export function allowAnyOrigin(method: string): RequestHandler {
  return (request, response, next) => {
    response.set('access-control-allow-origin', '*');
    if (request.method !== 'OPTIONS') return next();
    response.set({
      'access-control-allow-methods': method,
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': String(limits.preflightSecondsKept),
    });
    response.status(204).end();
  };
}
