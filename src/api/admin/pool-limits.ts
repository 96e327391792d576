import type { RequestHandler } from 'express';
import { clearLimits, overrideLimits } from '../../db/control/limit-overrides.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { parsed } from '../schemas.ts';
import { actorOf, nameOf, requestOf } from './admin-request.ts';
import { endSchema, limitsSchema } from './admin-schemas.ts';
import { outcomeObject } from './control-answers.ts';
import type { OperatorDeps } from './operator-deps.ts';

/** `PUT /v1/admin/pools/{pool}/limits`: limits in place of the catalogue's, for a while. */
export function putPoolLimits({ pool: db, notifyAccepted }: OperatorDeps): RequestHandler<{ pool: string }> {
  return async (request, response) => {
    const pool = nameOf(request.params.pool);
    const wish = parsed(limitsSchema, jsonFieldsOf(request));
    const outcome = await beginDatabaseWait(limits.controlAnswerMsMax).answered(
      overrideLimits(db, {
        pool,
        outstandingMax: wish.outstanding_max ?? null,
        perMinuteMax: wish.per_minute_max ?? null,
        seconds: wish.for_seconds,
        reason: wish.reason,
        actor: actorOf(request),
        request: requestOf(request, ['limits', pool]),
      }),
    );
    notifyAccepted();
    response.json(outcomeObject(outcome, pool));
  };
}

/** `DELETE /v1/admin/pools/{pool}/limits`: the catalogue's hold again. */
export function deletePoolLimits({ pool: db, notifyAccepted }: OperatorDeps): RequestHandler<{ pool: string }> {
  return async (request, response) => {
    const pool = nameOf(request.params.pool);
    const { reason } = parsed(endSchema, request.query);
    const order = { pool, reason, actor: actorOf(request), request: requestOf(request, ['clear', pool]) };
    const outcome = await beginDatabaseWait(limits.controlAnswerMsMax).answered(clearLimits(db, order));
    notifyAccepted();
    response.json(outcomeObject(outcome, pool));
  };
}
