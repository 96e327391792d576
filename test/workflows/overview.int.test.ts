import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { taskQueue } from '../../src/contracts/generate-video.ts';
import { type OverviewActivities, overviewQueryName, overviewType } from '../../src/contracts/overview.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { Overview } from '../../src/domain/overview.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { until } from '../support/until.ts';
import { bundleWorkflows, silentLogger } from './bundle.ts';

let env: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<unknown>;
/** What the readings of a test come to. */
let readOverview: OverviewActivities['readOverview'];
let readings = 0;

beforeAll(async () => {
  Runtime.install({ logger: silentLogger, shutdownSignals: [] });
  const workflowBundle: WorkflowBundleWithSourceMap = await bundleWorkflows();
  const path = await testServerPath();
  env = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
  const activities: OverviewActivities = {
    readOverview: () => {
      readings += 1;
      return readOverview();
    },
  };
  worker = await Worker.create({ connection: env.nativeConnection, taskQueue, workflowBundle, activities });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await env.teardown();
});
beforeEach(() => {
  readings = 0;
});

const overview: Overview = {
  readAt: Date.parse('2026-11-21T12:00:00Z'),
  pools: [],
  poolsLeftOut: 0,
  pausedTenants: [],
  stuck: [{ cause: 'no_credit', jobs: 3, oldestSince: Date.parse('2026-11-21T10:00:00Z'), isCapped: false }],
};

/** What Temporal UI shows as the workflow's current details. */
async function detailsOf(workflowId: string): Promise<string> {
  const answer = await env.client.workflow
    .getHandle(workflowId)
    .query<{ readonly currentDetails?: string }>('__temporal_workflow_metadata');
  return answer.currentDetails ?? '';
}

const start = async (workflowId: string) =>
  await env.client.workflow.start(overviewType, { taskQueue, workflowId, args: [] });

test('shows what it has read, and reads anew every minute', async () => {
  readOverview = async () => overview;
  const handle = await start('reads');
  await until('the first reading', async () => (await detailsOf('reads')).includes('no_credit'));
  expect(await detailsOf('reads')).toContain(`StuckCause = 'no_credit' AND ExecutionStatus = 'Running'`);
  expect(await handle.query(overviewQueryName)).toEqual(overview);

  readOverview = async () => ({ ...overview, stuck: [] });
  await env.sleep(limits.overviewEveryMs + 1_000);
  await until('the second reading', async () => (await detailsOf('reads')).includes('None.'));
  expect(readings).toBe(2);
  await handle.terminate();
});

test('says that what it shows is old while nothing can be read, and goes on', async () => {
  readOverview = async () => overview;
  const handle = await start('fails');
  await until('the first reading', async () => (await detailsOf('fails')).includes('no_credit'));
  readOverview = async () => null;
  await env.sleep(limits.overviewEveryMs + 1_000);
  await until('the failure', async () => (await detailsOf('fails')).includes('could not be read'));
  expect(await detailsOf('fails')).toContain('no_credit');
  expect(await handle.query(overviewQueryName)).toEqual(overview);
  readOverview = async () => overview;
  await env.sleep(limits.overviewEveryMs + 1_000);
  await until('the next reading', async () => !(await detailsOf('fails')).includes('could not be read'));
  await handle.terminate();
});

test('a run ends in time, and the next one goes on: its history stays short', async () => {
  readOverview = async () => overview;
  const { firstExecutionRunId } = await start('goes-on');
  const last = env.client.workflow.getHandle('goes-on');
  await env.sleep((limits.overviewRoundsMax + 1) * limits.overviewEveryMs);
  await until('another run', async () => (await last.describe()).runId !== firstExecutionRunId);
  const { events } = await env.client.workflow.getHandle('goes-on', firstExecutionRunId).fetchHistory();
  // Started, continued, and for each round a timer, its firing, a marker and a task of three.
  expect(events?.length).toBeLessThanOrEqual(7 * limits.overviewRoundsMax + 10);
  await last.terminate();
});
