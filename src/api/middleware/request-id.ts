import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';

/** Names every answer, so that a complaint leads to its line in the log. */
export function requestId(): RequestHandler {
  return (_request, response, next) => {
    response.setHeader('x-request-id', randomUUID());
    response.setHeader('x-content-type-options', 'nosniff');
    next();
  };
}
