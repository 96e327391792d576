import type { RequestHandler } from 'express';
import type { AppDeps } from '../deps.ts';
import { Problem } from '../problems/problem.ts';

/** `GET /v1/models/{id}`: one of them. */
export function getModel({ models }: Pick<AppDeps, 'models'>): RequestHandler<{ id: string }> {
  return (request, response) => {
    const model = models.find(({ id }) => id === request.params.id);
    if (model === undefined) {
      const detail = 'There is no such model. GET /v1/models lists those that there are.';
      throw new Problem('not_found', { detail, code: 'model_not_found' });
    }
    response.json(model);
  };
}
