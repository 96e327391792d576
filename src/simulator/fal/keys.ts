import { json } from '../answer.ts';
import type { Route } from '../route.ts';
import { keySetOf } from './signature.ts';

/** By which anybody can prove a callback: no key is asked for. */
export const keys: Route = {
  method: 'GET',
  path: /^\/rest\/\.well-known\/jwks\.json$/,
  handle: ({ account }) => json(200, keySetOf(account.options.webhookSecret)),
};
