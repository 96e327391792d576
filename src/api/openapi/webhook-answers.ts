import { z } from 'zod';
import { webhookKinds } from '../../domain/webhook.ts';
import { outputSchema, videoId } from './video-schemas.ts';

const unixSeconds = z.int().min(0);
const secret = z
  .string()
  .optional()
  .meta({ description: '`whsec_…`. There when it was made just now, and never again.' });

export const endpointId = z.string().meta({ pattern: '^whe_[0-9a-f]{32}$' });
export const deliveryId = z.string().meta({ pattern: '^whd_[0-9a-f]{32}$' });

export const endpointSchema = z
  .object({
    id: endpointId,
    object: z.literal('webhook_endpoint'),
    url: z.string(),
    events: z.array(z.enum(webhookKinds)),
    description: z.string(),
    enabled: z.boolean(),
    disabled_at: unixSeconds.nullable(),
    disabled_reason: z.enum(['owner', 'gone', 'failing']).nullable().meta({
      description: '`owner`: you said so. `gone`: it answered 410. `failing`: every try failed for five days.',
    }),
    failing_since: unixSeconds.nullable(),
    created_at: unixSeconds,
    previous_secret_expires_at: unixSeconds.nullable().meta({ description: 'Until then both secrets sign.' }),
    secret,
  })
  .meta({ id: 'WebhookEndpoint' });

export const deletedEndpointSchema = z
  .object({ id: endpointId, object: z.literal('webhook_endpoint.deleted'), deleted: z.literal(true) })
  .meta({ id: 'DeletedWebhookEndpoint' });

export const webhookSecretSchema = z
  .object({
    object: z.literal('webhook_secret'),
    created_at: unixSeconds.nullable(),
    previous_secret_expires_at: unixSeconds.nullable(),
    secret,
  })
  .meta({ id: 'WebhookSecret', description: 'Signs what goes to the `webhook_url` of single jobs.' });

const delivery = {
  id: deliveryId,
  object: z.literal('webhook_delivery'),
  webhook_id: z
    .string()
    .meta({ description: 'The same for every try, and after a redelivery: what receivers dedup by.' }),
  type: z.string(),
  endpoint_id: endpointId.nullable().meta({ description: 'Null: it goes to the `webhook_url` of the job.' }),
  video_id: videoId.nullable(),
  state: z.enum(['pending', 'retrying', 'delivered', 'failed', 'dropped']),
  reason: z.string().nullable(),
  tries: z.int().min(0),
  created_at: unixSeconds,
  next_try_at: unixSeconds.nullable(),
  ended_at: unixSeconds.nullable(),
  redelivery_of: deliveryId.nullable(),
} as const;

export const deliverySchema = z.object(delivery).meta({ id: 'WebhookDelivery' });

const tried = {
  status: z.int().nullable().meta({ description: 'Null: there was no answer; `error` says why.' }),
  error: z.string().nullable(),
  duration_ms: z.number(),
  excerpt: z.string().nullable().meta({ description: 'The beginning of the answer.' }),
} as const;

export const loggedDeliverySchema = z
  .object({ ...delivery, log: z.array(z.object({ at: z.iso.datetime(), ...tried })) })
  .meta({ id: 'LoggedWebhookDelivery' });

export const webhookTestSchema = z
  .object({ object: z.literal('webhook_test'), delivery_id: deliveryId, delivered: z.boolean(), ...tried })
  .meta({ id: 'WebhookTest' });

function pageOf(item: z.ZodObject, id: string) {
  return z
    .object({
      object: z.literal('list'),
      data: z.array(item),
      first_id: z.string().nullable(),
      last_id: z.string().nullable(),
      has_more: z.boolean(),
    })
    .meta({ id });
}

export const endpointListSchema = pageOf(endpointSchema, 'WebhookEndpointList');
export const deliveryListSchema = pageOf(deliverySchema, 'WebhookDeliveryList');

/** What a subscriber is sent: never the prompt or the picture. */
export const webhookPayloadSchema = z
  .object({
    type: z.enum(webhookKinds),
    timestamp: z.iso.datetime(),
    data: z.object({
      id: videoId,
      object: z.literal('video'),
      status: z.enum(['in_progress', 'completed', 'failed', 'cancelled']),
      model: z.string(),
      created_at: unixSeconds,
      completed_at: unixSeconds.nullable(),
      expires_at: unixSeconds.nullable(),
      error: z.object({ code: z.string(), message: z.string() }).nullable(),
      cost_usd: z.number().nullable(),
      metadata: z.record(z.string(), z.string()),
      url: z.string(),
      outputs: z.array(outputSchema),
    }),
  })
  .meta({ id: 'WebhookPayload' });
