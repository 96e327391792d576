import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  enforceRetentionType,
  type RetentionActivities,
  type RetentionReport,
} from '../../src/contracts/enforce-retention.ts';
import { assetTaskQueue, taskQueue } from '../../src/contracts/generate-video.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { bundleWorkflows, silentLogger } from './bundle.ts';

let env: TestWorkflowEnvironment;
let workers: readonly Worker[];
let running: Promise<unknown>;
/** What the batches of a test come to. */
let removeExpired: RetentionActivities['removeExpired'];
let batches = 0;

beforeAll(async () => {
  Runtime.install({ logger: silentLogger, shutdownSignals: [] });
  const workflowBundle: WorkflowBundleWithSourceMap = await bundleWorkflows();
  const path = await testServerPath();
  env = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
  const connection = env.nativeConnection;
  const activities: RetentionActivities = {
    removeExpired: () => {
      batches += 1;
      return removeExpired();
    },
  };
  workers = await Promise.all([
    Worker.create({ connection, taskQueue, workflowBundle }),
    Worker.create({ connection, taskQueue: assetTaskQueue, activities }),
  ]);
  running = Promise.all(workers.map((worker) => worker.run()));
});
afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
  await env.teardown();
});
beforeEach(() => {
  batches = 0;
});

const batch = (isMore: boolean): RetentionReport => ({ assets: 3, inputs: 2, uploads: 1, isMore });

async function enforce(workflowId: string): Promise<unknown> {
  return await env.client.workflow.execute(enforceRetentionType, { taskQueue, workflowId, args: [] });
}

describe('a run of retention', () => {
  test('goes on until a batch says that nothing is left, and reports the sum', async () => {
    removeExpired = async () => batch(batches < 3);
    expect(await enforce('until-nothing-is-left')).toEqual({ assets: 9, inputs: 6, uploads: 3, isMore: false });
    expect(batches).toBe(3);
  });

  test('leaves what is too much for its history to the next run', async () => {
    removeExpired = async () => batch(true);
    expect(await enforce('too-much')).toMatchObject({ isMore: true });
    expect(batches).toBe(limits.retentionRoundsMax);
  });

  test('repeats a batch that failed', async () => {
    removeExpired = async () => {
      if (batches === 1) throw new Error('the store is away');
      return batch(false);
    };
    expect(await enforce('repeated')).toMatchObject({ assets: 3, isMore: false });
  });

  test('fails, for everybody to see, where a batch keeps failing until the next run is due', async () => {
    removeExpired = async () => {
      throw new Error('the store is away for good');
    };
    await expect(enforce('failing')).rejects.toThrow('Workflow execution failed');
    expect(batches).toBeGreaterThan(3);
  });
});
