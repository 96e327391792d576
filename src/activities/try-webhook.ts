import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import type { WebhookActivities } from '../contracts/deliver-webhook.ts';
import { claimDelivery } from '../db/webhooks/claims.ts';
import { busyDelayMs, isOver } from '../domain/webhook.ts';
import { type TryDeps, tryDelivery } from '../webhooks/try-delivery.ts';

/** What the retries of webhooks need of the world. */
export type WebhookActivityDeps = TryDeps;

export function createWebhookActivities(deps: WebhookActivityDeps): WebhookActivities {
  return {
    async tryWebhook({ deliveryId }) {
      const claim = await claimDelivery(deps.db, deliveryId);
      switch (claim.verdict) {
        case 'over':
          return { kind: 'over', state: claim.state };
        case 'early':
          return { kind: 'again', delayMs: Math.round(claim.waitMs) };
        case 'busy':
          throw noRoom();
        case 'go': {
          const { state, waitMs } = await tryDelivery(deps, { id: deliveryId, tries: claim.tries });
          return isOver(state) ? { kind: 'over', state } : { kind: 'again', delayMs: Math.round(waitMs) };
        }
      }
    },
  };
}

/** Nothing has failed: others are being told at the same place. Asked again later and later, without history. */
function noRoom(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'NoRoom',
    message: 'the receiver has no room',
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: busyDelayMs({ times: activityInfo().attempt - 1, random: Math.random() }),
  });
}
