import type { RequestHandler } from 'express';
import { v7 as uuidv7 } from 'uuid';

/** Names every answer, so that a complaint leads to its line in the log. */
export function requestId(): RequestHandler {
  return (_request, response, next) => {
    response.set({ 'x-request-id': uuidv7(), 'x-content-type-options': 'nosniff' });
    next();
  };
}
