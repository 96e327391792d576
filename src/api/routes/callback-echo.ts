import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import { answerEcho } from '../../operations/callback-echo.ts';
import { createLimiter } from '../check-limiter.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { Problem, temporaryProblem } from '../problems/problem.ts';

export interface EchoDeps extends Pick<AppDeps, 'clock'> {
  readonly findSecret: () => Promise<Buffer>;
}

/** `POST /v1/callbacks/echo/{question}`: `npm run doctor` finds out whether callbacks reach this deployment. */
export function callbackEcho({ clock, findSecret }: EchoDeps): RequestHandler<{ question: string }> {
  const mayAnswer = createLimiter(limits.callbackEchoEveryMs, clock);
  let secret: Promise<Buffer> | undefined;
  const known = async (): Promise<Buffer> => {
    secret ??= findSecret().catch((error: unknown) => {
      secret = undefined;
      throw error;
    });
    return await beginDatabaseWait().answered(secret);
  };
  return async (request, response) => {
    request.resume();
    const answer = answerEcho(await known(), request.params.question, clock());
    if (answer === undefined) throw new Problem('not_found');
    if (!mayAnswer('echo')) throw temporaryProblem('overloaded');
    response.set('cache-control', 'no-store').json({ answer });
  };
}
