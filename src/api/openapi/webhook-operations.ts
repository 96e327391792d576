import { z } from 'zod';
import { webhookKinds } from '../../domain/webhook.ts';
import { endpointChangeSchema, endpointWishSchema } from '../webhooks/webhook-schemas.ts';
import type { Operation } from './operation.ts';
import {
  deletedEndpointSchema,
  deliveryId,
  deliveryListSchema,
  endpointId,
  endpointListSchema,
  endpointSchema,
  loggedDeliverySchema,
  deliverySchema,
  webhookPayloadSchema,
  webhookSecretSchema,
  webhookTestSchema,
} from './webhook-answers.ts';

const json = (schema: z.ZodType) => ({ 'application/json': { schema } });
const common = { tag: 'Webhooks', scope: 'webhooks' } as const;
const ofEndpoint = { ...common, params: z.object({ id: endpointId }) } as const;
const ofDelivery = { ...common, params: z.object({ id: deliveryId }) } as const;
const endpointProblems = ['invalid_id', 'webhook_endpoint_not_found'] as const;
const deliveryProblems = ['invalid_id', 'webhook_delivery_not_found'] as const;
const bodyProblems = ['invalid_json', 'invalid_request', 'body_too_large', 'unsupported_media_type'] as const;

const page = (after: z.ZodString) =>
  z.object({
    after: after.optional().meta({ description: 'The `last_id` of the page before.' }),
    limit: z
      .int()
      .min(1)
      .max(999_999_999)
      .optional()
      .meta({ description: 'At most 100; more is taken as 100. Default: 20.' }),
  });

export const webhookOperations: readonly Operation[] = [
  {
    ...common,
    method: 'post',
    path: '/v1/webhook_endpoints',
    id: 'createWebhookEndpoint',
    summary: 'Say where to tell you of videos.',
    description: 'The answer holds the secret that signs (Standard Webhooks, `v1`), which is shown once.',
    body: {
      'application/json': {
        schema: endpointWishSchema.meta({ id: 'CreateWebhookEndpoint' }),
        example: { url: 'https://example.com/hooks', events: ['video.completed', 'video.failed'] },
      },
    },
    answers: { 201: { description: 'The endpoint.', content: json(endpointSchema), headers: ['Location'] } },
    problems: [...bodyProblems, 'invalid_webhook_url', 'too_many_webhook_endpoints'],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/webhook_endpoints',
    id: 'listWebhookEndpoints',
    summary: 'List the endpoints, oldest first.',
    query: page(endpointId),
    answers: { 200: { description: 'A page.', content: json(endpointListSchema) } },
    problems: ['invalid_request'],
  },
  {
    ...ofEndpoint,
    method: 'get',
    path: '/v1/webhook_endpoints/{id}',
    id: 'getWebhookEndpoint',
    summary: 'Read an endpoint.',
    answers: { 200: { description: 'The endpoint.', content: json(endpointSchema) } },
    problems: endpointProblems,
  },
  {
    ...ofEndpoint,
    method: 'patch',
    path: '/v1/webhook_endpoints/{id}',
    id: 'changeWebhookEndpoint',
    summary: 'Change an endpoint, or enable it again. What is not named stays.',
    body: {
      'application/json': {
        schema: endpointChangeSchema.meta({ id: 'ChangeWebhookEndpoint' }),
        example: { enabled: true },
      },
    },
    answers: { 200: { description: 'The endpoint.', content: json(endpointSchema) } },
    problems: [...endpointProblems, ...bodyProblems, 'invalid_webhook_url'],
  },
  {
    ...ofEndpoint,
    method: 'delete',
    path: '/v1/webhook_endpoints/{id}',
    id: 'deleteWebhookEndpoint',
    summary: 'Delete an endpoint.',
    description: 'Nothing is sent there any more; a try that is on its way may still arrive.',
    answers: { 200: { description: 'It is deleted.', content: json(deletedEndpointSchema) } },
    problems: endpointProblems,
  },
  {
    ...ofEndpoint,
    method: 'post',
    path: '/v1/webhook_endpoints/{id}/rotate_secret',
    id: 'rotateWebhookEndpointSecret',
    summary: 'Get a new secret. Both sign for 24 hours.',
    answers: { 200: { description: 'The endpoint, with its new secret.', content: json(endpointSchema) } },
    problems: endpointProblems,
  },
  {
    ...ofEndpoint,
    method: 'post',
    path: '/v1/webhook_endpoints/{id}/test',
    id: 'testWebhookEndpoint',
    summary: 'Send `webhook.test` to an endpoint now, and see what comes of it.',
    answers: { 200: { description: 'What came of it.', content: json(webhookTestSchema) } },
    problems: [...endpointProblems, 'webhook_secret_unreadable'],
  },
  {
    ...ofEndpoint,
    method: 'get',
    path: '/v1/webhook_endpoints/{id}/deliveries',
    id: 'listWebhookDeliveries',
    summary: 'List what was sent to an endpoint, newest first.',
    query: page(deliveryId),
    answers: { 200: { description: 'A page.', content: json(deliveryListSchema) } },
    problems: [...endpointProblems, 'invalid_request'],
  },
  {
    ...ofDelivery,
    method: 'get',
    path: '/v1/webhook_deliveries/{id}',
    id: 'getWebhookDelivery',
    summary: 'Read a delivery, with the log of its tries.',
    answers: { 200: { description: 'The delivery.', content: json(loggedDeliverySchema) } },
    problems: deliveryProblems,
  },
  {
    ...ofDelivery,
    method: 'post',
    path: '/v1/webhook_deliveries/{id}/redeliver',
    id: 'redeliverWebhook',
    summary: 'Send it again, under the same `webhook-id`.',
    answers: { 202: { description: 'A delivery of its own.', content: json(deliverySchema), headers: ['Location'] } },
    problems: [...deliveryProblems, 'webhook_redelivery_under_way'],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/webhook_secret',
    id: 'getWebhookSecret',
    summary: 'Read when the secret for `webhook_url`s was made.',
    answers: { 200: { description: 'Not the secret itself.', content: json(webhookSecretSchema) } },
  },
  {
    ...common,
    method: 'post',
    path: '/v1/webhook_secret/rotate',
    id: 'rotateWebhookSecret',
    summary: 'Get the secret for `webhook_url`s, or a new one. Both sign for 24 hours.',
    answers: { 200: { description: 'The secret, once.', content: json(webhookSecretSchema) } },
  },
];

const signed = z.object({
  'webhook-id': z.string().meta({ description: 'The same for every try of the same event.' }),
  'webhook-timestamp': z.string().meta({ description: 'Unix seconds of the try.' }),
  'webhook-signature': z.string().meta({ description: '`v1,<base64>`, twice during a rotation. Verify it.' }),
});

/** What we call others with, in OpenAPI's own words for it. */
export const outgoingWebhooks = webhookKinds.map((kind) => ({
  method: 'post' as const,
  path: kind,
  operationId: `on${kind.replace('video.', '_').replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase())}`,
  tags: ['Webhooks'],
  summary: `Told as \`${kind}\`.`,
  request: { headers: signed, body: { content: json(webhookPayloadSchema) } },
  responses: {
    '2XX': { description: 'It has arrived. Anything else is tried again, ten times in 75 hours.' },
    410: { description: 'Nothing more is to be sent: the endpoint is disabled.' },
  },
}));
