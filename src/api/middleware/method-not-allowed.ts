import type { RequestHandler } from 'express';
import { Problem } from '../problems/problem.ts';

/** Closes a path: what came so far with another method is refused, and told what is taken. */
export function methodNotAllowed(allowed: string): RequestHandler {
  return () => {
    throw new Problem('method_not_allowed', { detail: `This path takes ${allowed}.`, headers: { allow: allowed } });
  };
}
