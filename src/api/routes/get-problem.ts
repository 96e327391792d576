import type { RequestHandler } from 'express';
import { refusalCodes } from '../../catalogue/plan.ts';
import { Problem } from '../problem.ts';
import { problemKinds } from '../problem-kinds.ts';

/** `GET /problems/{code}`: where the `type` of a problem leads. */
export function getProblem(): RequestHandler<{ code: string }> {
  return (request, response) => {
    const { code } = request.params;
    const found = pages.get(code);
    if (found === undefined) throw new Problem('not_found');
    response.json({ code, ...found });
  };
}

/** The catalogue's codes stand in for that of a request that asks for what is not supported. */
const pages = new Map<string, { readonly status: number; readonly title: string }>([
  ...Object.entries(refusalCodes).map(
    ([code, title]) => [code, { status: problemKinds.value_not_supported.status, title }] as const,
  ),
  ...Object.entries(problemKinds),
]);
