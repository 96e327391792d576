import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits.ts';
import { temporaryProblem } from '../problem.ts';
import { jsonWithImageBytesMax } from '../read-json.ts';

/** Refuses large bodies while too much of them is being read. One that does not say its length counts as the largest. */
export function limitUploads(): RequestHandler {
  let bytes = 0;
  return (request, response, next) => {
    const declared = Number(request.get('content-length') ?? jsonWithImageBytesMax);
    const size = Math.min(declared, jsonWithImageBytesMax);
    if (size <= limits.jsonBodyBytesMax) {
      next();
      return;
    }
    if (bytes + size > limits.uploadBytesMax) throw temporaryProblem('overloaded');
    bytes += size;
    response.once('close', () => (bytes -= size));
    next();
  };
}
