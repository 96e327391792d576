import type { RequestHandler } from 'express';
import { Problem } from '../problems/problem.ts';

/** A call that OpenAI's client has and this service has not: 404, so that the client throws its typed error. */
export function notSupportedHere(what: string): RequestHandler {
  return (request) => {
    // Nobody reads the body. What has not arrived of it is left to the answer to dispose of.
    request.resume();
    throw new Problem('not_supported_here', {
      detail: `${what} is not offered here. GET /openapi.json lists what is.`,
    });
  };
}
