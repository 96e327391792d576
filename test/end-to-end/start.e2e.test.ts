import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, expect, inject, onTestFailed, test } from 'vitest';
import { readPassword, databaseName, userName } from '../../src/embedded/postgres-cluster.ts';
import { createPool } from '../../src/db/pool.ts';
import { audit } from '../support/auditor.ts';
import { createPart, findFreePorts, type Part } from '../support/processes.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { baseEnvironment, printTail, videoOf, type Video } from '../support/stack.ts';
import { createBareNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';
import { createVendorControl } from '../support/vendor-control.ts';

const directory = await makeTestDirectory();
const data = join(directory, 'data');
const ports = await findFreePorts(['api', 'ops', 'simulator']);
const url = `http://127.0.0.1:${ports.api}`;
const simulatorUrl = `http://127.0.0.1:${ports.simulator}`;
const env = {
  ...baseEnvironment(),
  SIMULATOR_TIME_SCALE: '0.05',
  SIMULATOR_TIER: 'ultra',
  SIMULATOR_PORT: String(ports.simulator),
  SIMULATOR_URL: simulatorUrl,
  PORT: String(ports.api),
  OPS_PORT: String(ports.ops),
  PUBLIC_URL: url,
  DATA_DIRECTORY: data,
  TEMPORAL_CLI_PATH: inject('temporalCliPath'),
};
const part = (command: 'simulator' | 'start', readyLine: string): Part =>
  createPart({ command, env, readyLine, logFile: join(directory, `${command}.log`) });
const simulator = part('simulator', 'simulator is up');
const spillway = part('start', 'Spillway is up');

afterAll(async () => {
  for (const running of [spillway, simulator]) if (running.isRunning()) await running.end('SIGTERM', 40_000);
  await rm(directory, { recursive: true, force: true });
});

/** The servers that `start` has started. They live in sessions of their own, so a kill of `start` leaves them. */
async function embeddedPids(): Promise<readonly number[]> {
  const files = [join(data, 'postgres', 'data', 'postmaster.pid'), join(data, 'temporal', 'temporal.pid')];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.map((text) => Number(text.split('\n')[0]));
}

async function accept(prompt: string): Promise<Video> {
  const body = JSON.stringify({ prompt, model: 'wan-2.6', patience_seconds: 60 });
  const headers = { 'content-type': 'application/json' };
  return await videoOf(await fetch(`${url}/v1/videos`, { method: 'POST', headers, body }), 202);
}

async function get(id: string): Promise<Video> {
  return await videoOf(await fetch(`${url}/v1/videos/${id}`), 200);
}

async function untilStatus(id: string, status: Video['status']): Promise<Video> {
  return await until(
    `${id} is ${status}`,
    async () => {
      const video = await get(id);
      return video.status === status ? video : undefined;
    },
    { withinMs: 60_000 },
  );
}

async function expectSound(accepted: readonly string[]): Promise<void> {
  const postgres = join(data, 'postgres');
  const { postgres: port } = JSON.parse(await readFile(join(postgres, 'postgres.ports.json'), 'utf8'));
  const password = await readPassword(join(postgres, 'data'));
  const address = `postgres://${userName}:${password}@127.0.0.1:${port}/${databaseName}`;
  const pool = createPool({ url: address, connectionsMax: 2, name: 'test', onError: () => undefined });
  try {
    await until('quiet', async () => {
      const { rows } = await pool.query('SELECT job FROM mailbox UNION ALL SELECT job FROM permits');
      return rows.length === 0;
    });
    expect(await audit({ pool, simulator: simulatorUrl, accepted })).toEqual([]);
  } finally {
    await pool.end();
  }
}

test('`start` and its servers are killed with work under way: the next `start` finishes it, and has kept the rest', async () => {
  onTestFailed(() => printTail(spillway));
  await Promise.all([simulator.start(), spillway.start()]);
  const done = await accept('done before');
  const completed = await untilStatus(done.id, 'completed');
  const rendering = await accept('[sim:slow=1.5] rendering');
  await untilStatus(rendering.id, 'in_progress');
  const submitting = await accept('[sim:submit-slow=3000] submitting');
  await until('it is at the vendor', async () => {
    const { created } = await createVendorControl(simulatorUrl).counts();
    return created === 3;
  });
  const queued = await accept('just accepted');

  const pids = await embeddedPids();
  await spillway.end('SIGKILL');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await spillway.start();

  expect(await get(done.id)).toEqual(completed);
  const ids = [rendering, submitting, queued].map(({ id }) => id);
  for (const id of ids) expect(await untilStatus(id, 'completed')).toMatchObject({ attempts: 1 });
  await expectSound([done.id, ...ids]);
  expect(await spillway.end('SIGTERM', 30_000)).toEqual({ code: 0, signal: null });
});

test('`start` prepares a Temporal that is configured, for which nobody can run `migrate`: its database is embedded', async () => {
  const address = inject('temporalAddress');
  const connection = await Connection.connect({ address });
  const namespace = await createBareNamespace(connection, address);
  await connection.close();
  const own = await findFreePorts(['api', 'ops']);
  const joining = createPart({
    command: 'start',
    env: {
      ...env,
      PORT: String(own.api),
      OPS_PORT: String(own.ops),
      DATA_DIRECTORY: join(directory, 'joining'),
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
    },
    readyLine: 'Spillway is up',
    logFile: join(directory, 'joining.log'),
  });
  onTestFailed(() => printTail(joining));
  // The worker in it looks for them, and would end.
  await joining.start();
  expect(await joining.end('SIGTERM', 40_000)).toEqual({ code: 0, signal: null });
}, 300_000);
