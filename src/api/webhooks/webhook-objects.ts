import type { EndpointView } from '../../db/webhooks/endpoints.ts';
import type { DeliveryView, TryView } from '../../db/webhooks/log.ts';
import type { SecretView } from '../../db/webhooks/secrets.ts';
import type { MadeTry } from '../../webhooks/try-delivery.ts';

/** An endpoint as the API shows it. `secret` is there when it was made just now, and never again. */
export function endpointObject(endpoint: EndpointView, secret?: string) {
  return {
    id: endpoint.id,
    object: 'webhook_endpoint',
    url: endpoint.url,
    events: endpoint.events,
    description: endpoint.description,
    enabled: endpoint.disabledAt === null,
    disabled_at: secondsOf(endpoint.disabledAt),
    disabled_reason: endpoint.disabledReason,
    failing_since: secondsOf(endpoint.failingSince),
    created_at: Math.floor(endpoint.createdAt / 1_000),
    previous_secret_expires_at: secondsOf(endpoint.previousUntil),
    ...(secret === undefined ? {} : { secret }),
  } as const;
}

/** The secret that signs what goes to `webhook_url`s of single jobs. */
export function secretObject(known: SecretView | undefined, secret?: string) {
  return {
    object: 'webhook_secret',
    created_at: secondsOf(known?.createdAt ?? null),
    previous_secret_expires_at: secondsOf(known?.previousUntil ?? null),
    ...(secret === undefined ? {} : { secret }),
  } as const;
}

export function deliveryObject(delivery: DeliveryView) {
  return {
    id: delivery.id,
    object: 'webhook_delivery',
    webhook_id: delivery.eventId,
    type: delivery.kind,
    endpoint_id: delivery.endpoint,
    video_id: delivery.job,
    state: delivery.state,
    reason: delivery.reason,
    tries: delivery.tries,
    created_at: Math.floor(delivery.createdAt / 1_000),
    next_try_at: secondsOf(delivery.nextTryAt),
    ended_at: secondsOf(delivery.endedAt),
    redelivery_of: delivery.redeliveryOf,
  } as const;
}

/** A delivery with its log. */
export function loggedDelivery(delivery: DeliveryView, tries: readonly TryView[]) {
  const log = tries.map(({ at, status, error, durationMs, excerpt }) => {
    return { at: new Date(at).toISOString(), status, error, duration_ms: durationMs, excerpt };
  });
  return { ...deliveryObject(delivery), log } as const;
}

/** What a test call has come to. */
export function testObject(made: MadeTry) {
  return {
    object: 'webhook_test',
    delivery_id: made.id,
    delivered: made.state === 'delivered',
    status: made.status,
    error: made.error,
    duration_ms: Math.round(made.durationMs),
    excerpt: made.excerpt,
  } as const;
}

/** A page in the form of the OpenAI client’s. One item was read beyond it, so that it is known whether there is more. */
export function pageObject<Item extends { readonly id: string }>(items: readonly Item[], limit: number) {
  const data = items.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: items.length > limit,
  } as const;
}

function secondsOf(millis: number | null): number | null {
  return millis === null ? null : Math.floor(millis / 1_000);
}
