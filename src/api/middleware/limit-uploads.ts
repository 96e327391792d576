import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import type { ByteBudget } from '../input/byte-budget.ts';
import { jsonWithImageBytesMax } from '../input/read-json.ts';

/** Refuses large bodies while too much of them is being read. One that does not say its length counts as the largest. */
export function limitUploads(budget: ByteBudget): RequestHandler {
  return (request, response, next) => {
    const declared = Number(request.get('content-length') ?? jsonWithImageBytesMax);
    const size = Math.min(declared, jsonWithImageBytesMax);
    if (size > limits.jsonBodyBytesMax) response.once('close', budget.take(size));
    next();
  };
}
