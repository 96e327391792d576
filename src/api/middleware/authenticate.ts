import type { RequestHandler } from 'express';
import type { Authenticator } from '../auth/authenticator.ts';
import { setCaller } from '../auth/caller.ts';

/** Nobody gets past without a key, a client token or the right of this machine. Mounted before everything that is a tenant's. */
export function authenticate(authenticator: Authenticator): RequestHandler {
  return async (request, response, next) => {
    const { method, originalUrl: url, headers } = request;
    // What the page behind a token links to must not be told the token.
    if (url.includes('token=')) response.set('referrer-policy', 'no-referrer');
    setCaller(request, await authenticator.admit({ method, url, headers }));
    next();
  };
}
