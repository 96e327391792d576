import type { RequestHandler } from 'express';
import { findEndpoint } from '../../db/webhooks/endpoints.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { endpointObject } from '../webhooks/webhook-objects.ts';
import { endpointNotFound, ownedEndpointOf } from '../webhooks/webhook-request.ts';

/** `GET /v1/webhook_endpoints/{id}` */
export function getWebhookEndpoint({ pool }: Pick<AppDeps, 'pool'>): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const endpoint = await beginDatabaseWait().answered(findEndpoint(pool, ownedEndpointOf(request)));
    if (endpoint === undefined) throw endpointNotFound();
    response.json(endpointObject(endpoint));
  };
}
