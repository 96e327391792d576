import type { RequestHandler } from 'express';
import { rotateEndpointSecret } from '../../db/webhooks/endpoints.ts';
import { rotateTenantSecret } from '../../db/webhooks/secrets.ts';
import { limits } from '../../domain/limits/limits.ts';
import { newSecret } from '../../webhooks/signature.ts';
import { ownerOf } from '../../webhooks/try-delivery.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { noWebhooks } from '../webhooks/webhook-deps.ts';
import { endpointObject, secretObject } from '../webhooks/webhook-objects.ts';
import { endpointNotFound, ownedEndpointOf } from '../webhooks/webhook-request.ts';

const hoursOfPrevious = limits.webhookPreviousSecretHours;

/** `POST /v1/webhook_endpoints/{id}/rotate_secret`: shows the new secret, once. Both sign for a day. */
export function rotateWebhookEndpointSecret({ pool, webhooks = noWebhooks }: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedEndpointOf(request);
    const secret = newSecret();
    const rotation = { ...owned, secret: webhooks.box.seal(secret, owned.id), hoursOfPrevious };
    const endpoint = await beginDatabaseWait().answered(rotateEndpointSecret(pool, rotation));
    if (endpoint === undefined) throw endpointNotFound();
    response.set('cache-control', 'no-store').json(endpointObject(endpoint, secret));
  };
}

/** `POST /v1/webhook_secret/rotate`: the same for what signs deliveries to the `webhook_url` of a job. */
export function rotateWebhookSecret({ pool, webhooks = noWebhooks }: AppDeps): RequestHandler {
  return async (request, response) => {
    const { tenant } = callerOf(request);
    const secret = newSecret();
    const sealed = webhooks.box.seal(secret, ownerOf({ tenant, endpoint: null }));
    const rotation = { tenant, secret: sealed, hoursOfPrevious };
    const known = await beginDatabaseWait().answered(rotateTenantSecret(pool, rotation));
    response.set('cache-control', 'no-store').json(secretObject(known, secret));
  };
}
