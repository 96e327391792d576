import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { generateVideoType, taskQueue } from '../../src/contracts/generate-video.ts';
import { findStuckJobs } from '../../src/db/stuck/stuck-jobs.ts';
import { followFailingWorkflows } from '../../src/dispatch/failing-workflows.ts';
import { createNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';
import { silentLogger } from '../workflows/bundle.ts';
import { createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let namespace: string;
beforeAll(async () => {
  Runtime.install({ logger: silentLogger, shutdownSignals: [] });
  const address = inject('temporalAddress');
  [bench, connection, native] = await Promise.all([
    createDispatchBench(),
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  namespace = await createNamespace(connection, address);
  client = new Client({ connection, namespace });
});
afterAll(async () => {
  await native.close();
  await connection.close();
  await bench.drop();
});

/** A worker of a build that serves a workflow of its own under the name of ours. */
async function openWorker(build: 'broken' | 'whole'): Promise<{ stop(): Promise<void> }> {
  const workflowsPath = join(import.meta.dirname, `builds/${build}.ts`);
  const worker = await Worker.create({ connection: native, namespace, taskQueue, workflowsPath });
  const running = worker.run();
  return {
    async stop() {
      worker.shutdown();
      await running;
    },
  };
}

const causes = async () =>
  (await findStuckJobs(bench.pool, { stuckAfterMs: 300_000, limit: 10 })).map(({ jobId, stuck }) => [
    jobId,
    stuck.cause,
  ]);

test('a workflow whose tasks fail is found by what Temporal reports, and not any more once they succeed', async () => {
  const [failing = '', waiting = ''] = await bench.accept({ pool: await bench.addPool(), count: 2 });
  const broken = await openWorker('broken');
  try {
    await client.workflow.start(generateVideoType, {
      workflowId: failing,
      taskQueue,
      args: [],
      // A task that fails again is not answered: Temporal waits for this until it tries anew.
      workflowTaskTimeout: '1s',
    });
    await until(
      'the report',
      async () => {
        await followFailingWorkflows({ pool: bench.pool, client });
        return (await causes()).length > 0;
      },
      { withinMs: 120_000, everyMs: 500 },
    );
    expect(await causes()).toEqual([[failing, 'workflow_task_failing']]);
  } finally {
    await broken.stop();
  }

  const whole = await openWorker('whole');
  try {
    await until(
      'the end of the report',
      async () => {
        await followFailingWorkflows({ pool: bench.pool, client });
        return (await causes()).length === 0;
      },
      // Temporal tries a task that fails ever more rarely.
      { withinMs: 300_000, everyMs: 500 },
    );
  } finally {
    await whole.stop();
  }
  expect(await bench.phaseOf(waiting)).toBe('queued');
}, 500_000);

test('what has been noted stays while Temporal is away', async () => {
  const job = await bench.acceptOne({ pool: await bench.addPool() });
  await bench.pool.query('INSERT INTO failing_workflows (job) VALUES ($1)', [job]);
  const nowhere = Connection.lazy({ address: '127.0.0.1:1', interceptors: [] });
  const away = new Client({ connection: nowhere, namespace });
  const following = followFailingWorkflows({ pool: bench.pool, client: away });
  await expect(following).rejects.toThrow('Failed to list workflows');
  expect(await causes()).toContainEqual([job, 'workflow_task_failing']);
  await nowhere.close();
});
