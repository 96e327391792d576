import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { taskQueue } from '../../src/contracts/generate-video.ts';
import { type OverviewActivities, overviewId, overviewType } from '../../src/contracts/overview.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { Overview } from '../../src/domain/overview.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { bundleWorkflows, silentLogger } from './bundle.ts';
import { historiesOf, unreleased } from './releases.ts';

/** What is read in the first round; in the second nothing can be, and in the third it is the same again. */
const seen: Overview = { readAt: 0, pools: [], poolsLeftOut: 0, pausedTenants: [], stuck: [] };
const rounds = 3;

/** Runs the standing workflow for a few rounds on a server that skips time, and returns its history. */
export async function recordOverview(workflowBundle: WorkflowBundleWithSourceMap): Promise<string> {
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
  let readings = 0;
  const activities: OverviewActivities = {
    async readOverview() {
      readings += 1;
      return readings === 2 ? null : seen;
    },
  };
  const worker = await Worker.create({
    connection: env.nativeConnection,
    identity: 'worker',
    taskQueue,
    workflowBundle,
    activities: { ...activities },
  });
  const running = worker.run();
  try {
    const handle = await env.client.workflow.start(overviewType, { taskQueue, workflowId: overviewId, args: [] });
    await env.sleep((rounds - 0.5) * limits.overviewEveryMs);
    await handle.terminate();
    return historyToJSON(await handle.fetchHistory());
  } finally {
    worker.shutdown();
    await running;
    await env.teardown();
  }
}

/** Run by hand, when a change of the workflow is meant to start new histories: `npx tsx test/workflows/record-overview.ts`. */
async function main(): Promise<void> {
  const directory = historiesOf(unreleased);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'overview.json'), `${await recordOverview(await bundleWorkflows())}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
