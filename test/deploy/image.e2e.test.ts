import { execFile } from 'node:child_process';
import { chown, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, onTestFailed, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createPart, findFreePorts, type Part, type Program } from '../support/processes.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { baseEnvironment, printTail } from '../support/stack.ts';
import { createNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';
import { buildImage, removeImage, user } from './built-image.ts';
import { metricsOf, scalingQueries } from './manifests.ts';

const run = promisify(execFile);
const key = 'the-key-of-the-smoke-test';

let directory: string;
let database: TestDatabase;
let connection: Connection;
let image: Program;
let parts: Readonly<Record<'migrate' | 'simulator' | 'api' | 'worker', Part>>;
let env: Readonly<Record<string, string>>;
let url: string;
let opsUrls: readonly string[];

beforeAll(async () => {
  directory = await makeTestDirectory();
  database = await createTestDatabase();
  connection = await Connection.connect({ address: inject('temporalAddress') });
  image = await buildImage(join(directory, 'app'));
  await symlink(join(image.directory, 'dist/main/cli.js'), join(directory, 'spillway'));
  const ports = await findFreePorts(['api', 'simulator', 'ops', 'workerOps']);
  url = `http://127.0.0.1:${ports.api}`;
  opsUrls = [ports.ops, ports.workerOps].map((port) => `http://127.0.0.1:${port}`);
  env = {
    ...baseEnvironment(),
    HOME: '/nonexistent',
    TMPDIR: await writable('tmp'),
    DATA_DIRECTORY: await writable('data'),
    DATABASE_URL_FILE: await secret('database_url', database.url),
    SPILLWAY_API_KEY_FILE: await secret('spillway_api_key', key),
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: await createNamespace(connection, inject('temporalAddress')),
    HOST: '127.0.0.1',
    PORT: String(ports.api),
    OPS_PORT: String(ports.ops),
    PUBLIC_URL: url,
    SIMULATOR_PORT: String(ports.simulator),
    SIMULATOR_URL: `http://127.0.0.1:${ports.simulator}`,
  };
  const part = (command: keyof typeof parts, more: { readyLine?: string; env?: Record<string, string> } = {}): Part =>
    createPart({
      command,
      program: image,
      logFile: join(directory, `${command}.log`),
      ...more,
      env: { ...env, ...more.env },
    });
  parts = {
    migrate: part('migrate'),
    simulator: part('simulator', { readyLine: 'simulator is up' }),
    api: part('api', { readyLine: 'API is up' }),
    worker: part('worker', { readyLine: 'worker is up', env: { OPS_PORT: String(ports.workerOps) } }),
  };
}, 300_000);

afterAll(async () => {
  for (const part of Object.values(parts ?? {})) if (part.isRunning()) await part.end('SIGKILL');
  await connection?.close();
  await database?.drop();
  await removeImage(join(directory, 'app'));
  await rm(directory, { recursive: true, force: true });
});

async function writable(name: string): Promise<string> {
  const path = join(directory, name);
  await mkdir(path);
  if (user !== undefined) await chown(path, user.uid, user.gid);
  return path;
}

async function secret(name: string, value: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `${value}\n`, { mode: 0o444 });
  return path;
}

/** As it is typed in a container, whatever its verdict is. */
async function spillway(...args: readonly string[]): Promise<string> {
  const settings = { ...user, cwd: image.directory, env, timeout: 100_000 };
  const { stdout, stderr } = await run(join(directory, 'spillway'), args, settings).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  );
  return `${stdout}${stderr}`;
}

test('what the image holds carries a job from end to end, as a user who may write to data and /tmp alone', async () => {
  onTestFailed(() => Object.values(parts).forEach(printTail));
  const before = await readdir(image.directory, { recursive: true });
  await parts.migrate.start();
  await Promise.all([parts.simulator.start(), parts.api.start(), parts.worker.start()]);

  // The probes of compose and Kubernetes.
  for (const address of opsUrls.flatMap((ops) => ['/healthz', '/readyz', '/metrics'].map((path) => `${ops}${path}`)))
    await until(`${address} is answered well`, async () => (await fetch(address)).ok, { withinMs: 60_000 });

  const script = join(import.meta.dirname, '../../scripts/smoke.sh');
  const { stdout } = await run('bash', [script], {
    env: { PATH: process.env['PATH'] ?? '', BASE_URL: url, SPILLWAY_API_KEY: key, WITHIN_SECONDS: '120' },
    timeout: 150_000,
  });
  expect(stdout).toContain('nobody gets in without a key');
  expect(stdout).toContain('its content is an MP4');
  expect(stdout).toMatch(/all well\n$/);

  const isWell = async (): Promise<boolean> => {
    const findings = await spillway('doctor');
    // On a machine that has too much to do a connection may take longer than the doctor waits for it.
    if (/^fail /m.test(findings)) throw new Error(findings);
    return /^ok {4}\S/m.test(findings);
  };
  await until('the doctor finds nothing wrong', isWell, { withinMs: 200_000, everyMs: 2_000 });

  expect(await spillway('ops', 'stuck')).not.toContain('npm');
  expect(await spillway('ops', '--help')).toContain('Usage: spillway ops <command>');

  // What Kubernetes scales by is what a worker that has worked tells.
  const told = await (await fetch(`${opsUrls[1]}/metrics`)).text();
  const metrics = scalingQueries().flatMap(metricsOf);
  expect(metrics.length).toBeGreaterThan(2);
  for (const metric of metrics) expect(told).toMatch(new RegExp(`^${metric}[ {]`, 'm'));
  // What an alert wants to see grow is there before it grows.
  for (const series of ['jobs_ended_total{phase="failed"}', 'unknown_submits_total{target="wavespeed/wan-2.6"}'])
    expect(told).toContain(`spillway_${series} 0\n`);

  for (const name of ['worker', 'api', 'simulator'] as const)
    expect(await parts[name].end('SIGTERM', 60_000)).toEqual({ code: 0, signal: null });
  expect(await readdir(image.directory, { recursive: true })).toEqual(before);
}, 600_000);

test('the smoke script fails where nobody answers, and says who', async () => {
  const script = join(import.meta.dirname, '../../scripts/smoke.sh');
  const nobody = { PATH: process.env['PATH'] ?? '', BASE_URL: url, WITHIN_SECONDS: '1' };
  await expect(run('bash', [script], { env: nobody, timeout: 30_000 })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`FAILED: GET ${url}/v1/models is not answered with 200`),
  });
});
