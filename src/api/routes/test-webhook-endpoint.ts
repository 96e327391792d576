import type { RequestHandler } from 'express';
import { findEndpoint } from '../../db/webhook-endpoints.ts';
import { insertTest } from '../../db/webhook-log.ts';
import { limits } from '../../domain/limits.ts';
import { tryDelivery } from '../../webhooks/try-delivery.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { temporaryProblem } from '../problem.ts';
import { noWebhooks } from '../webhook-deps.ts';
import { testObject } from '../webhook-objects.ts';
import { endpointNotFound, newDeliveryId, ownedEndpointOf } from '../webhook-request.ts';

/** `POST /v1/webhook_endpoints/{id}/test`: one `webhook.test`, also to a disabled endpoint, and what came of it. */
export function testWebhookEndpoint({
  pool,
  publicUrl,
  webhooks = noWebhooks,
}: AppDeps): RequestHandler<{ id: string }> {
  let underWay = 0;
  return async (request, response) => {
    const { id: endpoint, tenant } = ownedEndpointOf(request);
    const wait = beginDatabaseWait();
    if ((await wait.answered(findEndpoint(pool, { id: endpoint, tenant }))) === undefined) throw endpointNotFound();
    if (underWay >= limits.webhookTestsAtOnceMax) throw temporaryProblem('overloaded');
    underWay += 1;
    try {
      const id = newDeliveryId();
      await wait.answered(insertTest(pool, { id, tenant, endpoint }));
      const { box, post } = webhooks;
      response.json(testObject(await tryDelivery({ db: pool, box, post, publicUrl }, { id, tries: 0 })));
    } finally {
      underWay -= 1;
    }
  };
}
