import { proxyActivities, setCurrentDetails, setWorkflowOptions, sleep } from '@temporalio/workflow';
import type { DeliverWebhookInput, DeliverWebhookResult, WebhookActivities } from '../contracts/deliver-webhook.ts';
import { limits } from '../domain/limits/limits.ts';
import { deliveryAccount } from '../domain/start-notice.ts';
import { autoUpgrade } from './auto-upgrade.ts';
import { webhookOptions } from './activity-options.ts';

/** Tries again whenever the next try is due. The schedule is Postgres's, which counts the tries whoever made them. */
export async function deliverWebhook(input: DeliverWebhookInput): Promise<DeliverWebhookResult> {
  const { deliveryId, delayMs, jobId = null, tries = 1 } = input;
  let waitMs = delayMs;
  for (let round = 0; round < limits.webhookRoundsMax; round += 1) {
    setCurrentDetails(deliveryAccount({ deliveryId, jobId, tries: tries + round, nextTryAt: Date.now() + waitMs }));
    const summary = `try ${tries + round + 1}`;
    await sleep(waitMs, { summary: `${summary} is due` });
    const answer = await proxyActivities<WebhookActivities>({ ...webhookOptions, summary }).tryWebhook({ deliveryId });
    if (answer.kind === 'over') return { state: answer.state };
    waitMs = answer.delayMs;
  }
  return { state: 'retrying' };
}

/** It waits for days, longer than a build's workers are kept: the next build takes it over, so its commands change by `patched()` alone. */
setWorkflowOptions(autoUpgrade, deliverWebhook);
