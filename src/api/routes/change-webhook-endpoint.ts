import type { RequestHandler } from 'express';
import { changeEndpoint } from '../../db/webhooks/endpoints.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { noWebhooks } from '../webhooks/webhook-deps.ts';
import { endpointObject } from '../webhooks/webhook-objects.ts';
import { endpointNotFound, ownedEndpointOf, webhookUrlOf } from '../webhooks/webhook-request.ts';
import { parseEndpointChange } from '../webhooks/webhook-schemas.ts';

/** `PATCH /v1/webhook_endpoints/{id}`: what is not named stays. `enabled: true` undoes what we disabled ourselves, too. */
export function changeWebhookEndpoint({ pool, webhooks = noWebhooks }: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedEndpointOf(request);
    const { url, ...rest } = parseEndpointChange(jsonFieldsOf(request));
    const checked =
      url === undefined ? {} : { url: webhookUrlOf(url, { pointer: '/url', policy: webhooks.urlPolicy }) };
    const endpoint = await beginDatabaseWait().answered(changeEndpoint(pool, owned, { ...rest, ...checked }));
    if (endpoint === undefined) throw endpointNotFound();
    response.json(endpointObject(endpoint));
  };
}
