import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { storeSlots, workerSlots } from '../worker-slots.ts';
import { type BareActivities, bareQueue, bareStoreQueue } from './contract.ts';

/** Worker and client in one process, without HTTP and without a database of ours: what Temporal itself can do here. */

export interface BarePlan {
  readonly jobs: number;
  /** Starts without an answer of the first activity, at most: as many as ours has submits. */
  readonly startingMax: number;
}

export interface BareReport {
  readonly kind: 'report';
  readonly seconds: number;
  readonly ids: readonly string[];
}

export interface BareReady {
  readonly kind: 'ready';
}

/** As long as a video takes at the simulator. */
const videoMs = 300;

Runtime.install({ logger: new DefaultLogger('WARN') });
const connection = await NativeConnection.connect({ address: process.env['TEMPORAL_ADDRESS'] ?? '' });
const client = new Client({ connection });
const submitted = new Map<string, () => void>();
const settled = new Map<string, () => void>();

const activities: BareActivities = {
  async submit(id) {
    submitted.get(id)?.();
  },
  async store() {},
  async settle(id) {
    settled.get(id)?.();
  },
};

const worker = await Worker.create({
  connection,
  taskQueue: bareQueue,
  workflowsPath: fileURLToPath(new URL('./workflow.ts', import.meta.url)),
  activities: { ...activities },
  ...workerSlots,
});
const storeWorker = await Worker.create({
  connection,
  taskQueue: bareStoreQueue,
  activities: { ...activities },
  ...storeSlots,
});
const running = Promise.all([worker.run(), storeWorker.run()]);
process.on('message', (plan: BarePlan) => void run(plan).then((report) => process.send?.(report)));
process.send?.({ kind: 'ready' } satisfies BareReady);
await running;
await connection.close();
process.disconnect();

async function run({ jobs, startingMax }: BarePlan): Promise<BareReport> {
  const ids = Array.from({ length: jobs }, () => randomUUID());
  const waiting = [...ids];
  const ends: Promise<void>[] = [];
  const startedAt = performance.now();
  const startInTurn = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      ends.push(once(settled, id));
      await start(id);
      void signalLater(id);
    }
  };
  await Promise.all(Array.from({ length: startingMax }, startInTurn));
  await Promise.all(ends);
  return { kind: 'report', seconds: (performance.now() - startedAt) / 1_000, ids };
}

async function start(id: string): Promise<void> {
  const isSubmitted = once(submitted, id);
  await client.workflow.start('bareVideo', {
    taskQueue: bareQueue,
    workflowId: id,
    args: [id],
    requestEagerStart: true,
  });
  await isSubmitted;
}

async function signalLater(id: string): Promise<void> {
  await delay(videoMs);
  await client.workflow.getHandle(id).signal('finished');
}

async function once(waiters: Map<string, () => void>, id: string): Promise<void> {
  await new Promise<void>((resolve) => waiters.set(id, resolve));
  waiters.delete(id);
}
