import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createBookkeeping } from '../../src/activities/bookkeeping.ts';
import { createStoreAsset } from '../../src/activities/store-asset.ts';
import {
  assetTaskQueue,
  cancelSignalName,
  type GenerateVideoInput,
  generateVideoType,
  taskQueue,
} from '../../src/contracts/generate-video.ts';
import { findKnownRun } from '../../src/db/ledger/known-attempts.ts';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { vendorUrlPolicy } from '../../src/providers/hostile-url.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey } from '../../src/storage/object-store.ts';
import { createLedgerBench, type LedgerBench, target } from '../db/ledger/ledger-bench.ts';
import { createNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';
import { bundleWorkflows, silentLogger } from '../workflows/bundle.ts';
import { type FileServer, startFileServer, videoBytes, whole } from './file-server.ts';

let bench: LedgerBench;
let files: FileServer;
let directory: string;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let namespace: string;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  const address = inject('temporalAddress');
  [bench, files, connection, native, workflowBundle] = await Promise.all([
    createLedgerBench(),
    startFileServer(),
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
    bundleWorkflows(),
  ]);
  directory = await mkdtemp(join(tmpdir(), 'spillway-copies-'));
  namespace = await createNamespace(connection, address);
  client = new Client({ connection, namespace });
});
afterAll(async () => {
  await native.close();
  await connection.close();
  await files.close();
  await bench.drop();
  await rm(directory, { recursive: true });
});

/** A worker that copies and settles; those under way are asked to end as soon as it is to stop. */
async function startWorker(): Promise<{ stop: () => Promise<void> }> {
  const policy = vendorUrlPolicy({ baseUrl: files.origin, plainHttpAllowed: true });
  const deps = {
    db: bench.pool,
    providers: new Map(),
    remoteFiles: new Map([['vendor', createRemoteFiles({ policy })]]),
    store: createLocalObjectStore(directory),
    log: pino({ level: 'silent' }),
    onQueued: () => undefined,
  };
  const common = {
    connection: native,
    namespace,
    activities: { ...createBookkeeping(deps), storeAsset: createStoreAsset(deps) },
    maxHeartbeatThrottleInterval: 100,
  };
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue, workflowBundle }),
    Worker.create({ ...common, taskQueue: assetTaskQueue }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    async stop() {
      for (const worker of workers) worker.shutdown();
      await running;
    },
  };
}

/** The workflow of a job whose video is at the vendor, and is half there. */
async function startHalf(path: string, video: Buffer) {
  const half = video.byteLength / 2;
  const url = files.serve(path, (_, response) => {
    response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': video.byteLength });
    response.write(video.subarray(0, half));
  });
  const jobId = await bench.finishJob({ videoUrl: url });
  const run = await findKnownRun(bench.pool, jobId);
  const input: GenerateVideoInput = { jobId, route: [target], ...run };
  const handle = await client.workflow.start(generateVideoType, { taskQueue, workflowId: jobId, args: [input] });
  return { jobId, handle };
}

const keptAt = (jobId: string): string => join(directory, assetKey({ tenant: 'default', jobId, attempt: 1 }));
const phaseOf = (jobId: string) => bench.row('SELECT phase, served_attempt FROM jobs WHERE id = $1', jobId);

test('a worker that stops in the middle of a copy leaves it to the next one, at once', async () => {
  const video = videoBytes(400_000);
  const first = await startWorker();
  const { jobId, handle } = await startHalf('/stopped.mp4', video);
  await until('the copy is under way', () => files.unread() > 0);
  await first.stop();
  expect(await phaseOf(jobId)).toMatchObject({ phase: 'in_progress' });

  files.serve('/stopped.mp4', whole(video));
  const second = await startWorker();
  expect(await handle.result()).toEqual({ phase: 'completed', attempt: 1 });
  await second.stop();
  expect(await phaseOf(jobId)).toEqual({ phase: 'completed', served_attempt: 1 });
  expect(video.equals(await readFile(keptAt(jobId)))).toBe(true);
});

test('a cancel in the middle of a copy ends the job now, and the copy a moment later', async () => {
  const worker = await startWorker();
  const { jobId, handle } = await startHalf('/cancelled.mp4', videoBytes(400_000));
  await until('the copy is under way', () => files.unread() > 0);
  await requestCancel(bench.pool, { id: jobId, tenant: 'default' });
  await handle.signal(cancelSignalName);
  expect(await handle.result()).toEqual({ phase: 'cancelled' });
  expect(await phaseOf(jobId)).toMatchObject({ phase: 'cancelled' });
  await until('nobody copies any more', () => files.unread() === 0);
  await worker.stop();
  await expect(readFile(keptAt(jobId))).rejects.toThrow('ENOENT');
});
