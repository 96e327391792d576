import type { RequestHandler } from 'express';
import { listPauses, pauseSubject, resumeSubject } from '../../db/control/pauses.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { fieldProblem } from '../problems/problem.ts';
import { parsed } from '../schemas.ts';
import { listObject, pauseObject } from './admin-objects.ts';
import { actorOf, requestOf, subjectOf } from './admin-request.ts';
import { endSchema, pauseSchema } from './admin-schemas.ts';
import { outcomeObject } from './control-answers.ts';
import type { OperatorDeps } from './operator-deps.ts';

interface Path {
  readonly kind: string;
  readonly subject: string;
}

/** `GET /v1/admin/pauses`: those in force. */
export function getPauses({ pool }: OperatorDeps): RequestHandler {
  return async (_request, response) => {
    const pauses = await beginDatabaseWait().answered(listPauses(pool));
    response.set('cache-control', 'no-store').json(listObject(pauses.map(pauseObject)));
  };
}

/** `PUT /v1/admin/pauses/{kind}/{subject}`: once it has answered, nothing more is granted there. */
export function putPause({ pool, notifyAccepted }: OperatorDeps): RequestHandler<Path & Record<string, string>> {
  return async (request, response) => {
    const { kind, subject } = subjectOf(request);
    const { reason, drain, for_seconds: seconds = null } = parsed(pauseSchema, jsonFieldsOf(request));
    if (drain && kind !== 'target') throw fieldProblem('invalid_request', '/drain', 'A target alone can be drained.');
    const signed = { actor: actorOf(request), request: requestOf(request, ['pause', kind, subject]) };
    const order = { kind, subject, drains: drain, seconds, reason, ...signed };
    const outcome = await beginDatabaseWait(limits.controlAnswerMsMax).answered(pauseSubject(pool, order));
    // Who waits for what is drained leaves at once.
    notifyAccepted();
    response.json(outcomeObject(outcome, subject));
  };
}

/** `DELETE /v1/admin/pauses/{kind}/{subject}`: it is served again. */
export function deletePause({ pool, notifyAccepted }: OperatorDeps): RequestHandler<Path & Record<string, string>> {
  return async (request, response) => {
    const { kind, subject } = subjectOf(request);
    const { reason } = parsed(endSchema, request.query);
    const signed = { actor: actorOf(request), request: requestOf(request, ['resume', kind, subject]) };
    const outcome = await beginDatabaseWait(limits.controlAnswerMsMax).answered(
      resumeSubject(pool, { kind, subject, reason, ...signed }),
    );
    notifyAccepted();
    response.json(outcomeObject(outcome, subject));
  };
}
