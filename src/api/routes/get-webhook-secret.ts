import type { RequestHandler } from 'express';
import { findTenantSecret } from '../../db/webhooks/secrets.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { secretObject } from '../webhooks/webhook-objects.ts';

/** `GET /v1/webhook_secret`: when it was made, and never itself. */
export function getWebhookSecret({ pool }: Pick<AppDeps, 'pool'>): RequestHandler {
  return async (request, response) => {
    const { tenant } = callerOf(request);
    response.json(secretObject(await beginDatabaseWait().answered(findTenantSecret(pool, tenant))));
  };
}
