import type { RequestHandler } from 'express';
import { listActions } from '../../db/control/operator-actions.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { parsed } from '../schemas.ts';
import { actionObject, listObject } from './admin-objects.ts';
import { actionsQuerySchema } from './admin-schemas.ts';
import type { OperatorDeps } from './operator-deps.ts';

/** `GET /v1/admin/actions`: who did what, and why. */
export function getActions({ pool }: OperatorDeps): RequestHandler {
  return async (request, response) => {
    const query = parsed(actionsQuerySchema, request.query);
    const { after = null, subject = null, limit: count = limits.adminListDefault } = query;
    const actions = await beginDatabaseWait().answered(listActions(pool, { after, subject, count }));
    response.set('cache-control', 'no-store').json(listObject(actions.map(actionObject)));
  };
}
