import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { taskQueue } from '../../../src/contracts/generate-video.ts';
import type { Build } from '../../../src/domain/build.ts';
import { makeCurrent, rollOut, type RollOut } from '../../../src/main/deploy/roll-out.ts';
import {
  queuesWithout,
  readDeployment,
  servedQueues,
  setCurrent,
  setRamping,
} from '../../../src/operations/worker-deployment.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';
import { until } from '../../support/until.ts';
import { bundleWorkflows } from '../../workflows/bundle.ts';

const patience = { withinMs: 120_000, everyMs: 100 };

let connection: Connection;
let native: NativeConnection;
let client: Client;
let deploymentName = '';
let running: { readonly workers: readonly Worker[]; readonly ended: Promise<unknown> }[] = [];

beforeAll(async () => {
  const address = inject('temporalAddress');
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
});
afterAll(async () => {
  await native.close();
  await connection.close();
});

/** One that is current, as a production has it. */
beforeEach(async () => {
  deploymentName = `deployment-${Math.random().toString(36).slice(2)}`;
  await startWorkers(build('old'));
  await setCurrent(client, build('old'));
});
afterEach(async () => {
  for (const started of running.splice(0)) await stopWorkers(started);
});

const build = (buildId: string): Build => ({ deploymentName, buildId });

async function startWorkers(version: Build): Promise<void> {
  const workflowBundle = await bundleWorkflows();
  const create = (queue: string): Promise<Worker> =>
    Worker.create({
      connection: native,
      namespace: client.options.namespace,
      taskQueue: queue,
      ...(queue === taskQueue ? { workflowBundle } : {}),
      activities: { nothing: async () => undefined },
      workerDeploymentOptions: { useWorkerVersioning: true, version, defaultVersioningBehavior: 'PINNED' },
    });
  const workers = await Promise.all(servedQueues.map(create));
  running.push({ workers, ended: Promise.all(workers.map((worker) => worker.run())) });
  await until('it serves', async () => (await queuesWithout(client, version)).length === 0, patience);
}

async function stopWorkers({ workers, ended }: (typeof running)[number]): Promise<void> {
  for (const worker of workers) worker.shutdown();
  await ended;
}

interface Told extends RollOut {
  readonly said: string[];
  readonly stopped: string[];
}

/** Of a build that somebody wants, and whose start fails wherever it is tried: its name is taken. */
function settingsOf(buildId: string, given: Partial<RollOut> = {}): Told {
  const [said, stopped]: [string[], string[]] = [[], []];
  return {
    client,
    build: build(buildId),
    ramp: [],
    holdSeconds: 0,
    startWithinSeconds: 1,
    drainWithinSeconds: 0,
    start: () => Promise.reject(new Error('the name is taken')),
    stop: async (one) => void stopped.push(one.buildId),
    say: (line) => void said.push(line),
    said,
    stopped,
    ...given,
  };
}

async function routing(): Promise<unknown> {
  const { current, ramping } = await readDeployment(client, deploymentName);
  return { current, ramping };
}

test('a roll-out that was cut off in a hold is begun anew: what runs is neither started twice nor stopped', async () => {
  await startWorkers(build('new'));
  await setRamping(client, build('new'), 25);
  await keepAsking(build('new'));
  const anew = settingsOf('new', { ramp: [5, 25] });
  // Temporal takes minutes to find that the old one is drained; nobody waits for it here.
  await expect(rollOut(anew)).rejects.toThrow('old is not drained');
  expect(await routing()).toEqual({ current: 'new', ramping: undefined });
  expect(anew.stopped).toEqual([]);
  // The share that it had is not taken from it to be given again.
  expect(anew.said.join('\n')).not.toContain(' 5 %');
  expect(anew.said.join('\n')).toContain('new gets 25 %');
}, 300_000);

/** A worker asks anew once it has an answer, say a task that it can't do, and else once a minute. */
async function keepAsking(pinnedTo: Build): Promise<void> {
  await client.workflow.start('unknown', { taskQueue, workflowId: 'unknown', versioningOverride: { pinnedTo } });
}

test.each([
  { way: 'set-current', go: makeCurrent },
  { way: 'roll-out', go: (back: RollOut) => expect(rollOut(back)).rejects.toThrow('bad is not drained') },
])(
  'the way back by $way takes the share from a build that ramps',
  async ({ go }) => {
    await startWorkers(build('bad'));
    await setRamping(client, build('bad'), 25);
    const back = settingsOf('old');
    await go(back);
    expect(await routing()).toEqual({ current: 'old', ramping: undefined });
    expect(back.said).toContain('bad does not get its 25 % any more.');
  },
  300_000,
);

test('a third build that is made current leaves no share to the one that ramps', async () => {
  await startWorkers(build('bad'));
  await setRamping(client, build('bad'), 25);
  await startWorkers(build('third'));
  await makeCurrent(settingsOf('third'));
  expect(await routing()).toEqual({ current: 'third', ramping: undefined });
}, 300_000);

test('a build whose workers are gone gets nothing, although Temporal knows what it served and that it was there', async () => {
  await startWorkers(build('gone'));
  await setRamping(client, build('gone'), 25);
  const last = running.pop();
  if (last) await stopWorkers(last);

  // It is still among those who asked of late, and has to be started all the same.
  const failing = settingsOf('gone');
  await expect(rollOut(failing)).rejects.toThrow('the name is taken');
  expect(failing.stopped).toEqual(['gone']);
  expect(await routing()).toEqual({ current: 'old', ramping: undefined });

  await expect(makeCurrent(settingsOf('gone'))).rejects.toThrow('No worker of gone runs');
  const crashing = settingsOf('gone', { start: async () => undefined });
  await expect(rollOut(crashing)).rejects.toThrow('no worker of gone serves spillway');
  expect(await routing()).toEqual({ current: 'old', ramping: undefined });
}, 300_000);
