import { z } from 'zod';
import { limits } from '../../domain/limits/limits.ts';
import { webhookKinds } from '../../domain/webhook.ts';
import { parsed, text } from '../schemas.ts';

const eventsMessage = `This has to be a list of some of ${webhookKinds.join(', ')}, each once.`;

const fields = {
  url: z
    .string('This has to be text.')
    .max(limits.callerUrlCharsMax, `This may have ${limits.callerUrlCharsMax} characters.`)
    .meta({ description: 'https, on its default port, without credentials, on the open internet.' }),
  events: z
    .array(z.enum(webhookKinds, eventsMessage), eventsMessage)
    .min(1, eventsMessage)
    .max(webhookKinds.length, eventsMessage)
    .refine((events) => new Set(events).size === events.length, eventsMessage)
    .meta({ uniqueItems: true }),
  description: text(limits.webhookDescriptionCharsMax),
};

/** The fields of `POST /v1/webhook_endpoints`. The OpenAPI document is made of it. */
export const endpointWishSchema = z.strictObject(
  {
    url: fields.url,
    events: fields.events.default([...webhookKinds]),
    description: fields.description.default(''),
  },
  'The body has to be an object.',
);

/** The fields of `PATCH /v1/webhook_endpoints/{id}`. What is not named stays. */
export const endpointChangeSchema = z.strictObject(
  {
    url: fields.url.optional(),
    events: fields.events.optional(),
    description: fields.description.optional(),
    enabled: z.boolean('This has to be true or false.').optional(),
  },
  'The body has to be an object.',
);

export function parseEndpointWish(body: Readonly<Record<string, unknown>>): z.output<typeof endpointWishSchema> {
  return parsed(endpointWishSchema, body);
}

export function parseEndpointChange(body: Readonly<Record<string, unknown>>): z.output<typeof endpointChangeSchema> {
  return parsed(endpointChangeSchema, body);
}
