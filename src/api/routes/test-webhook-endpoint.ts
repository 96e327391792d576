import type { RequestHandler } from 'express';
import { findEndpoint, type Owned } from '../../db/webhooks/endpoints.ts';
import { insertTest } from '../../db/webhooks/log.ts';
import { limits } from '../../domain/limits/limits.ts';
import { SealError } from '../../webhooks/secret-box.ts';
import { tryDelivery, type MadeTry } from '../../webhooks/try-delivery.ts';
import { boundedDatabase } from '../bounded-database.ts';
import { beginDatabaseWait, type DatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { Problem } from '../problems/problem.ts';
import { noWebhooks } from '../webhooks/webhook-deps.ts';
import { testObject } from '../webhooks/webhook-objects.ts';
import { endpointNotFound, newDeliveryId, ownedEndpointOf } from '../webhooks/webhook-request.ts';

/** `POST /v1/webhook_endpoints/{id}/test`: one `webhook.test`, also to a disabled endpoint, and what came of it. */
export function testWebhookEndpoint(deps: AppDeps): RequestHandler<{ id: string }> {
  const underWay = new Map<string, number>();
  return async (request, response) => {
    const owned = ownedEndpointOf(request);
    const { tenant } = owned;
    const before = underWay.get(tenant) ?? 0;
    if (before >= limits.webhookTestsOfTenantMax) throw tooManyTests();
    underWay.set(tenant, before + 1);
    try {
      response.json(testObject(await testOnce(deps, owned, beginDatabaseWait())));
    } finally {
      const left = (underWay.get(tenant) ?? 1) - 1;
      if (left > 0) underWay.set(tenant, left);
      else underWay.delete(tenant);
    }
  };
}

async function testOnce(
  { pool, publicUrl, webhooks = noWebhooks }: AppDeps,
  { id: endpoint, tenant }: Owned,
  wait: DatabaseWait,
): Promise<MadeTry> {
  if ((await wait.answered(findEndpoint(pool, { id: endpoint, tenant }))) === undefined) throw endpointNotFound();
  const id = newDeliveryId();
  await wait.answered(insertTest(pool, { id, tenant, endpoint }));
  const { box } = webhooks;
  const post: typeof webhooks.post = (one) => wait.besides(webhooks.post(one));
  // A statement that has no answer is a 503, here as everywhere; what the receiver takes is its own affair.
  return await tryDelivery({ db: boundedDatabase(pool, wait), box, post, publicUrl }, { id, tries: 0 }).catch(
    (error: unknown) => {
      throw error instanceof SealError ? secretUnreadable(error) : error;
    },
  );
}

function tooManyTests(): Problem {
  const detail = `${limits.webhookTestsOfTenantMax} tests are under way. Wait for one of them to end.`;
  return new Problem('quota_exceeded', { detail, headers: { 'retry-after': '5' } });
}

function secretUnreadable(cause: SealError): Problem {
  const detail = 'It was sealed with a key that the service has no more. Rotate the secret, or ask its operator.';
  return new Problem('webhook_secret_unreadable', { detail, cause });
}
