import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, ScheduleOverlapPolicy } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRemoveExpired } from '../../../src/activities/remove-expired.ts';
import {
  enforceRetentionType,
  retentionEveryMs,
  retentionScheduleId,
} from '../../../src/contracts/enforce-retention.ts';
import { assetTaskQueue, taskQueue } from '../../../src/contracts/generate-video.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { ensureRetentionSchedule } from '../../../src/main/worker/retention-schedule.ts';
import { createLocalObjectStore } from '../../../src/storage/local-object-store.ts';
import { assetKey } from '../../../src/storage/object-store.ts';
import { createLedgerBench, type LedgerBench } from '../../db/ledger/ledger-bench.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';
import { until } from '../../support/until.ts';
import { bundleWorkflows, silentLogger } from '../../workflows/bundle.ts';

let bench: LedgerBench;
let directory: string;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let namespace: string;
beforeAll(async () => {
  Runtime.install({ logger: silentLogger, shutdownSignals: [] });
  const address = inject('temporalAddress');
  [bench, connection, native] = await Promise.all([
    createLedgerBench(),
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  directory = await mkdtemp(join(tmpdir(), 'spillway-schedule-'));
  namespace = await createNamespace(connection, address);
  client = new Client({ connection, namespace });
});
afterAll(async () => {
  await native.close();
  await connection.close();
  await bench.drop();
  await rm(directory, { recursive: true });
});

const schedule = () => client.schedule.getHandle(retentionScheduleId);

test('many workers that start at once make one schedule, as it is to be', async () => {
  await Promise.all(Array.from({ length: 8 }, () => ensureRetentionSchedule(client)));
  const { spec, policies, action } = await schedule().describe();
  expect(spec.intervals).toMatchObject([{ every: retentionEveryMs }]);
  expect(policies).toMatchObject({ overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: 60_000 });
  expect(action).toMatchObject({ workflowType: enforceRetentionType, taskQueue });
  // Temporal keeps it by a workflow of its own, which nobody who counts ours is to see.
  expect(await client.workflow.count(`ExecutionStatus = 'Running'`)).toMatchObject({ count: 0 });
});

test('a pause of the operator stays, and what an older release wrote does not', async () => {
  await ensureRetentionSchedule(client);
  await schedule().pause('the bucket is being moved');
  await schedule().update((before) => ({ ...before, spec: { intervals: [{ every: '1 day' }] } }));
  await ensureRetentionSchedule(client);
  const { spec, state } = await schedule().describe();
  expect(spec.intervals).toMatchObject([{ every: retentionEveryMs }]);
  expect(state).toMatchObject({ paused: true, note: 'the bucket is being moved' });
  await schedule().unpause();
});

test('what it starts removes a video whose time is over', async () => {
  await ensureRetentionSchedule(client);
  const store = createLocalObjectStore(directory);
  const job = await bench.finishJob();
  const key = assetKey({ tenant: 'default', jobId: job, attempt: 1 });
  await store.write(key, { body: Buffer.from('video') });
  await bench.keepVideo(job);
  await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
  await bench.pool.query('UPDATE assets SET expires_at = now() WHERE job = $1', [job]);

  const common = { connection: native, namespace };
  const removeExpired = createRemoveExpired({ db: bench.pool, store, log: pino({ level: 'silent' }) });
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue, workflowBundle: await bundleWorkflows() }),
    Worker.create({ ...common, taskQueue: assetTaskQueue, activities: { removeExpired } }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    await schedule().trigger();
    await until('the video is gone', async () => (await store.describe(key)) === undefined);
    const run = await until('a run has ended', async () => {
      const { info } = await schedule().describe();
      return info.recentActions.at(-1)?.action.workflow.workflowId;
    });
    expect(run).toContain(retentionScheduleId);
    expect(await client.workflow.getHandle(run).result()).toMatchObject({ assets: 1, isMore: false });
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
  }
  expect(await bench.row('SELECT removed_at FROM assets WHERE job = $1', job)).toEqual({
    removed_at: expect.any(Date),
  });
});
