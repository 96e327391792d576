import type { RequestHandler } from 'express';
import { deleteEndpoint } from '../../db/webhooks/endpoints.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { endpointNotFound, ownedEndpointOf } from '../webhooks/webhook-request.ts';

/** `DELETE /v1/webhook_endpoints/{id}`: nothing is sent there any more; a try that is on its way may still arrive. */
export function deleteWebhookEndpoint({ pool }: Pick<AppDeps, 'pool'>): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedEndpointOf(request);
    if (!(await beginDatabaseWait().answered(deleteEndpoint(pool, owned)))) throw endpointNotFound();
    response.json({ id: owned.id, object: 'webhook_endpoint.deleted', deleted: true });
  };
}
