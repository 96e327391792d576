import type { Express } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import type { AppDeps } from '../deps.ts';
import { methodNotAllowed } from '../middleware/method-not-allowed.ts';
import { readJsonBytes } from '../input/read-body.ts';
import { changeWebhookEndpoint } from '../routes/change-webhook-endpoint.ts';
import { createWebhookEndpoint } from '../routes/create-webhook-endpoint.ts';
import { deleteWebhookEndpoint } from '../routes/delete-webhook-endpoint.ts';
import { getWebhookEndpoint } from '../routes/get-webhook-endpoint.ts';
import { getWebhookSecret } from '../routes/get-webhook-secret.ts';
import { listWebhookEndpoints } from '../routes/list-webhook-endpoints.ts';
import { rotateWebhookEndpointSecret, rotateWebhookSecret } from '../routes/rotate-webhook-secret.ts';
import { testWebhookEndpoint } from '../routes/test-webhook-endpoint.ts';
import { getWebhookDelivery, listWebhookDeliveries, redeliverWebhook } from '../routes/webhook-deliveries.ts';

/** The calls by which a tenant says whom to tell, and sees what became of it. Mounted behind authentication. */
export function addWebhookRoutes(handler: Express, deps: AppDeps): void {
  const readJson = readJsonBytes(limits.jsonBodyBytesMax);
  handler
    .route('/v1/webhook_endpoints')
    .get(listWebhookEndpoints(deps))
    .post(readJson, createWebhookEndpoint(deps))
    .all(methodNotAllowed('GET, HEAD, POST'));
  handler
    .route('/v1/webhook_endpoints/:id')
    .get(getWebhookEndpoint(deps))
    .patch(readJson, changeWebhookEndpoint(deps))
    .delete(deleteWebhookEndpoint(deps))
    .all(methodNotAllowed('GET, HEAD, PATCH, DELETE'));
  handler
    .route('/v1/webhook_endpoints/:id/rotate_secret')
    .post(rotateWebhookEndpointSecret(deps))
    .all(methodNotAllowed('POST'));
  handler.route('/v1/webhook_endpoints/:id/test').post(testWebhookEndpoint(deps)).all(methodNotAllowed('POST'));
  handler
    .route('/v1/webhook_endpoints/:id/deliveries')
    .get(listWebhookDeliveries(deps))
    .all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/webhook_deliveries/:id').get(getWebhookDelivery(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/webhook_deliveries/:id/redeliver').post(redeliverWebhook(deps)).all(methodNotAllowed('POST'));
  handler.route('/v1/webhook_secret').get(getWebhookSecret(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/webhook_secret/rotate').post(rotateWebhookSecret(deps)).all(methodNotAllowed('POST'));
}
