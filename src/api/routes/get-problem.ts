import type { RequestHandler } from 'express';
import { Problem } from '../problem.ts';
import { problemKinds } from '../problem-kinds.ts';

/** `GET /problems/{code}`: where the `type` of a problem leads. */
export function getProblem(): RequestHandler<{ code: string }> {
  return (request, response) => {
    const { code } = request.params;
    const found = Object.entries(problemKinds).find(([name]) => name === code);
    if (found === undefined) throw new Problem('not_found');
    response.json({ code, ...found[1] });
  };
}
