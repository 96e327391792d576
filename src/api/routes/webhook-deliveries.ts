import type { RequestHandler } from 'express';
import { findEndpoint } from '../../db/webhooks/endpoints.ts';
import { findDelivery, listDeliveries, listTries, repeatDelivery } from '../../db/webhooks/log.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { Problem } from '../problems/problem.ts';
import { deliveryObject, loggedDelivery, pageObject } from '../webhooks/webhook-objects.ts';
import {
  deliveryNotFound,
  endpointNotFound,
  newDeliveryId,
  ownedDeliveryOf,
  ownedEndpointOf,
  pageOf,
} from '../webhooks/webhook-request.ts';

type Deps = Pick<AppDeps, 'pool'>;

/** `GET /v1/webhook_endpoints/{id}/deliveries`, newest first. */
export function listWebhookDeliveries({ pool }: Deps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedEndpointOf(request);
    const { after, limit } = pageOf(request, 'delivery');
    const wait = beginDatabaseWait();
    if ((await wait.answered(findEndpoint(pool, owned))) === undefined) throw endpointNotFound();
    const asked = { tenant: owned.tenant, endpoint: owned.id, after, count: limit + 1 };
    const found = await wait.answered(listDeliveries(pool, asked));
    response.json(pageObject(found.map(deliveryObject), limit));
  };
}

/** `GET /v1/webhook_deliveries/{id}`, with its log. */
export function getWebhookDelivery({ pool }: Deps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const wait = beginDatabaseWait();
    const delivery = await wait.answered(findDelivery(pool, ownedDeliveryOf(request)));
    if (delivery === undefined) throw deliveryNotFound();
    response.json(loggedDelivery(delivery, await wait.answered(listTries(pool, delivery.id))));
  };
}

/** `POST /v1/webhook_deliveries/{id}/redeliver`: the same event, under the same `webhook-id`, with a schedule of its own. */
export function redeliverWebhook({ pool }: Deps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const again = { ...ownedDeliveryOf(request), as: newDeliveryId() };
    const delivery = await beginDatabaseWait().answered(repeatDelivery(pool, again));
    if (delivery === undefined) throw deliveryNotFound();
    if (delivery === 'under_way') throw new Problem('webhook_redelivery_under_way');
    response.status(202).set('location', `/v1/webhook_deliveries/${delivery.id}`);
    response.json(deliveryObject(delivery));
  };
}
