import { proxyActivities, sleep } from '@temporalio/workflow';
import type { DeliverWebhookInput, DeliverWebhookResult, WebhookActivities } from '../contracts/deliver-webhook.ts';
import { limits } from '../domain/limits.ts';
import { webhookOptions } from './activity-options.ts';

const { tryWebhook } = proxyActivities<WebhookActivities>(webhookOptions);

/** Tries again whenever the next try is due. The schedule is Postgres's, which counts the tries whoever made them. */
export async function deliverWebhook({ deliveryId, delayMs }: DeliverWebhookInput): Promise<DeliverWebhookResult> {
  let waitMs = delayMs;
  for (let round = 0; round < limits.webhookRoundsMax; round += 1) {
    await sleep(waitMs);
    const answer = await tryWebhook({ deliveryId });
    if (answer.kind === 'over') return { state: answer.state };
    waitMs = answer.delayMs;
  }
  return { state: 'retrying' };
}
