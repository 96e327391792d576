import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { taskQueue } from '../../src/contracts/generate-video.ts';
import { createBuildGate } from '../../src/dispatch/build-gate.ts';
import type { Build } from '../../src/domain/build.ts';
import { readDeployment, setCurrent } from '../../src/operations/worker-deployment.ts';
import { openProxy } from '../api/cuttable-proxy.ts';
import { createNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';
import { bundleWorkflows } from '../workflows/bundle.ts';

const build = (buildId: string): Build => ({ deploymentName: 'gate', buildId });

let connection: Connection;
let native: NativeConnection;
let client: Client;
let workers: readonly Worker[] = [];
let running: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  const address = inject('temporalAddress');
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
});
afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
  await native.close();
  await connection.close();
});

async function startWorkers(...builds: readonly string[]): Promise<void> {
  const workflowBundle = await bundleWorkflows();
  const create = (buildId: string): Promise<Worker> =>
    Worker.create({
      connection: native,
      namespace: client.options.namespace,
      taskQueue,
      workflowBundle,
      workerDeploymentOptions: {
        useWorkerVersioning: true,
        version: build(buildId),
        defaultVersioningBehavior: 'PINNED',
      },
    });
  workers = await Promise.all(builds.map(create));
  running = Promise.all(workers.map((worker) => worker.run()));
  await until('both are known', async () => {
    const known = (await readDeployment(client, 'gate')).builds.map(({ buildId }) => buildId);
    return builds.every((one) => known.includes(one));
  });
}

const makeCurrent = async (buildId: string): Promise<void> => await setCurrent(client, build(buildId));

function createGate(of: Build | undefined, by = client) {
  const changes: boolean[] = [];
  return { ...createBuildGate({ client: by, build: of, onChange: (isOpen) => changes.push(isOpen) }), changes };
}

test('is closed until Temporal says that its build is current, opens then, and closes with the next', async () => {
  const gates = { one: createGate(build('one')), two: createGate(build('two')), none: createGate(undefined) };
  const look = async (): Promise<readonly boolean[]> => {
    await Promise.all(Object.values(gates).map((gate) => gate.look()));
    return Object.values(gates).map((gate) => gate.isOpen());
  };
  expect([gates.one.isOpen(), gates.none.isOpen()]).toEqual([false, true]);
  expect(await look()).toEqual([false, false, true]);

  await startWorkers('one', 'two');
  expect(await look()).toEqual([false, false, true]);
  await makeCurrent('one');
  await until('one is open', async () => (await look()).join() === 'true,false,true');
  await makeCurrent('two');
  await until('two is open', async () => (await look()).join() === 'false,true,true');
  expect(gates.one.changes).toEqual([false, true, false]);
  expect(gates.two.changes).toEqual([false, true]);
  expect(gates.none.changes).toEqual([]);
});

test('while Temporal is away the last answer stands; before the first one it is closed', async () => {
  const [host = '', port] = inject('temporalAddress').split(':');
  const proxy = await openProxy({ host, port: Number(port) });
  const behind = await Connection.connect({ address: `127.0.0.1:${proxy.port}` });
  const cutOff = new Client({ connection: behind, namespace: client.options.namespace });
  try {
    const [knowing, late] = [createGate(build('two'), cutOff), createGate(build('two'), cutOff)];
    await knowing.look();
    expect(knowing.isOpen()).toBe(true);
    proxy.set('silent');
    const looks = [knowing, late].map((gate) => expect(gate.look()).rejects.toThrow(/deadline|UNAVAILABLE/i));
    await Promise.all(looks);
    expect([knowing.isOpen(), late.isOpen()]).toEqual([true, false]);
  } finally {
    await behind.close();
    await proxy.close();
  }
});
