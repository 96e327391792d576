import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import {
  type DeliverWebhookInput,
  type DeliverWebhookResult,
  deliverWebhookType,
  type TryWebhookAnswer,
  type WebhookActivities,
  webhookTaskQueue,
} from '../../src/contracts/deliver-webhook.ts';
import { taskQueue } from '../../src/contracts/generate-video.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { bundleWorkflows, silentLogger } from './bundle.ts';
import { historiesOf, unreleased } from './releases.ts';

export interface Told {
  readonly result: DeliverWebhookResult;
  /** When each try was asked for, in milliseconds of the server's clock since the start. */
  readonly askedAtMs: readonly number[];
  readonly history: string;
}

/** Runs the workflow on a server that skips time, against a receiver that answers its tries so. */
export async function playDelivery(
  workflowBundle: WorkflowBundleWithSourceMap,
  answers: readonly (TryWebhookAnswer | ApplicationFailure)[],
): Promise<Told> {
  Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  const path = await testServerPath();
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
    client: { identity: 'client' },
  });
  const askedAtMs: number[] = [];
  const activities: WebhookActivities = {
    async tryWebhook() {
      const answer = answers[askedAtMs.length] ?? answers.at(-1);
      askedAtMs.push(await env.currentTimeMs());
      if (answer === undefined || answer instanceof ApplicationFailure) throw answer;
      return answer;
    },
  };
  const common = { connection: env.nativeConnection, identity: 'worker' };
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue, workflowBundle }),
    Worker.create({ ...common, taskQueue: webhookTaskQueue, activities: { ...activities } }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    const startedAt = await env.currentTimeMs();
    const input: DeliverWebhookInput = { deliveryId: 'whd_00000000000000000000000000000001', delayMs: 5_000 };
    const handle = await env.client.workflow.start(deliverWebhookType, {
      taskQueue,
      workflowId: input.deliveryId,
      args: [input],
    });
    const result: DeliverWebhookResult = await handle.result();
    const history = historyToJSON(await handle.fetchHistory());
    return { result, askedAtMs: askedAtMs.map((at) => at - startedAt), history };
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
    await env.teardown();
  }
}

export const recordedAnswers: readonly TryWebhookAnswer[] = [
  { kind: 'again', delayMs: 300_000 },
  { kind: 'again', delayMs: 1_800_000 },
  { kind: 'over', state: 'delivered' },
];

/** Run by hand, when a change of the workflow is meant to start new histories: `npx tsx test/workflows/record-deliver-webhook.ts`. */
async function main(): Promise<void> {
  const directory = historiesOf(unreleased);
  await mkdir(directory, { recursive: true });
  const { history } = await playDelivery(await bundleWorkflows(), recordedAnswers);
  await writeFile(join(directory, 'deliver-webhook.json'), `${history}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
