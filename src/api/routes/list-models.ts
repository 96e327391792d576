import type { RequestHandler } from 'express';
import type { AppDeps } from '../deps.ts';

/** `GET /v1/models`: what can be asked for here, at whom, at what price, and how any of it is known. */
export function listModels({ models }: Pick<AppDeps, 'models'>): RequestHandler {
  return (_request, response) => {
    response.json({ object: 'list', data: models });
  };
}
