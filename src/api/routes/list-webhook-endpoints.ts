import type { RequestHandler } from 'express';
import { listEndpoints } from '../../db/webhooks/endpoints.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { endpointObject, pageObject } from '../webhooks/webhook-objects.ts';
import { pageOf } from '../webhooks/webhook-request.ts';

/** `GET /v1/webhook_endpoints`, oldest first. */
export function listWebhookEndpoints({ pool }: Pick<AppDeps, 'pool'>): RequestHandler {
  return async (request, response) => {
    const { after, limit } = pageOf(request, 'endpoint');
    const { tenant } = callerOf(request);
    const found = await beginDatabaseWait().answered(listEndpoints(pool, { tenant, after, count: limit + 1 }));
    response.json(
      pageObject(
        found.map((endpoint) => endpointObject(endpoint)),
        limit,
      ),
    );
  };
}
