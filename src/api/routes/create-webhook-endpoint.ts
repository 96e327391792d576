import type { RequestHandler } from 'express';
import { insertEndpoint } from '../../db/webhooks/endpoints.ts';
import { limits } from '../../domain/limits/limits.ts';
import { newSecret } from '../../webhooks/signature.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { Problem } from '../problems/problem.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { noWebhooks } from '../webhooks/webhook-deps.ts';
import { endpointObject } from '../webhooks/webhook-objects.ts';
import { newEndpointId, webhookUrlOf } from '../webhooks/webhook-request.ts';
import { parseEndpointWish } from '../webhooks/webhook-schemas.ts';

/** `POST /v1/webhook_endpoints`: answers with the secret, which nobody is shown again. */
export function createWebhookEndpoint({ pool, webhooks = noWebhooks }: AppDeps): RequestHandler {
  return async (request, response) => {
    const { url, events, description } = parseEndpointWish(jsonFieldsOf(request));
    const id = newEndpointId();
    const secret = newSecret();
    const endpoint = await beginDatabaseWait().answered(
      insertEndpoint(pool, {
        id,
        tenant: callerOf(request).tenant,
        url: webhookUrlOf(url, { pointer: '/url', policy: webhooks.urlPolicy }),
        events,
        description,
        secret: webhooks.box.seal(secret, id),
        endpointsMax: limits.webhookEndpointsMax,
      }),
    );
    if (endpoint === undefined) throw tooMany();
    response.status(201).set('location', `/v1/webhook_endpoints/${id}`).set('cache-control', 'no-store');
    response.json(endpointObject(endpoint, secret));
  };
}

function tooMany(): Problem {
  const detail = `A tenant may have ${limits.webhookEndpointsMax} endpoints. Delete one that is not used.`;
  return new Problem('too_many_webhook_endpoints', { detail });
}
