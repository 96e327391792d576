import type { DeliveryState } from '../domain/webhook.ts';

/** The second to the tenth try of a webhook, over three days. The workflow's id is the delivery's. */
export const deliverWebhookType = 'deliverWebhook';

/** Tries have a queue and slots of their own: receivers that hang must not hold back a submit. */
export const webhookTaskQueue = 'spillway-webhooks';

/** An id and a delay: to whom, and what, is read from Postgres for every try. */
export interface DeliverWebhookInput {
  readonly deliveryId: string;
  readonly delayMs: number;
  /** For its account in Temporal UI. Absent: a test, or a history of before. */
  readonly jobId?: string;
  /** How many were made before. Absent: in histories of before. */
  readonly tries?: number;
}

/** How it ended; `retrying` leaves the rest to the relay. */
export interface DeliverWebhookResult {
  readonly state: DeliveryState;
}

export interface WebhookActivities {
  /**
   * Makes the try that is due and notes it. Safe to retry, and beside the relay: a delivery has one holder at a time, and
   * every try has the same `webhook-id`. Fails only with a retryable failure, also while its receiver has no room.
   */
  tryWebhook(order: TryWebhookOrder): Promise<TryWebhookAnswer>;
}

export interface TryWebhookOrder {
  readonly deliveryId: string;
}

export type TryWebhookAnswer =
  | { readonly kind: 'over'; readonly state: DeliveryState }
  /** The next try is due after so long. */
  | { readonly kind: 'again'; readonly delayMs: number };
