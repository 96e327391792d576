import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { Client as Postgres } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { runCommand, startOf } from '../../src/embedded/processes.ts';
import type { SearchAttributes } from '../../src/embedded/search-attributes.ts';
import type { RunningTemporal } from '../../src/embedded/temporal-process.ts';
import { startTemporalServer } from '../../src/embedded/temporal-server.ts';
import { builtTemporalServer } from '../support/built-temporal-server.ts';
import { makeTestDirectory } from '../support/servers.ts';

const programs = await builtTemporalServer();
const { server = '', sqlTool = '' } = programs ?? {};

let root: string;
let postgres: RunningPostgres;
let running: RunningTemporal | undefined;
let told: string[];

async function startPostgres(name: string): Promise<RunningPostgres> {
  return await startEmbeddedPostgres({ directory: join(root, name), relaxed: true, log: () => undefined });
}

async function start({ name = 'temporal', url = postgres.url, searchAttributes = {} } = {}): Promise<RunningTemporal> {
  told = [];
  const directory = join(root, name);
  const log = (message: string) => void told.push(message);
  running = await startTemporalServer({
    programs: { server, sqlTool },
    postgresUrl: url,
    directory,
    searchAttributes: searchAttributes satisfies SearchAttributes,
    log,
  });
  return running;
}

async function withClient<Result>(address: string, use: (client: Client) => Promise<Result>): Promise<Result> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function startWorkflow(address: string, workflowId: string, attributes: readonly string[] = []): Promise<void> {
  const pairs = attributes.map((name) => ({ key: defineSearchAttributeKey(name, 'KEYWORD'), value: 'x' }));
  const typedSearchAttributes = new TypedSearchAttributes(pairs);
  const options = { workflowId, taskQueue: 'nobody', args: [], typedSearchAttributes };
  await withClient(address, async (client) => await client.workflow.start('anything', options));
}

async function statusOf(address: string, workflowId: string): Promise<string> {
  return await withClient(address, async (client) => {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name;
  });
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new Postgres({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

function urlOf(database: string): string {
  return postgres.url.replace(/\/[^/]*$/, `/${database}`);
}

async function untilGone(pid: number): Promise<void> {
  await expect.poll(async () => await startOf(pid), { timeout: 10_000, interval: 20 }).toBe('');
}

describe.skipIf(programs === undefined)("Temporal's own server", () => {
  beforeAll(async () => {
    root = await makeTestDirectory();
    postgres = await startPostgres('postgres');
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  afterAll(async () => {
    await postgres.stop();
    await rm(root, { recursive: true, force: true });
  });

  test('it takes work as soon as it is called ready', async () => {
    const { address } = await start();
    await startWorkflow(address, 'at-once');
    await expect(statusOf(address, 'at-once')).resolves.toBe('RUNNING');
  });

  test('it gives the first task with the answer to a start, and a task queue one partition', async () => {
    const { address } = await start();
    await withClient(address, async ({ workflowService }) => {
      const taskQueue = { name: 'eager' };
      const { eagerWorkflowTask } = await workflowService.startWorkflowExecution({
        namespace: 'default',
        workflowId: 'eager',
        requestId: 'eager',
        workflowType: { name: 'anything' },
        taskQueue,
        requestEagerExecution: true,
      });
      expect(eagerWorkflowTask?.workflowExecution?.workflowId).toBe('eager');
      const partitions = await workflowService.listTaskQueuePartitions({ namespace: 'default', taskQueue });
      expect(partitions.workflowTaskQueuePartitions).toHaveLength(1);
      expect(partitions.activityTaskQueuePartitions).toHaveLength(1);
    });
  });

  test('what it lists lies in a database apart from histories, and both apart from ours', async () => {
    const { address } = await start();
    await startWorkflow(address, 'listed');
    const listed = async () =>
      await query(urlOf('temporal_visibility'), 'SELECT workflow_id FROM executions_visibility');
    await expect.poll(listed, { timeout: 10_000 }).toContainEqual({ workflow_id: 'listed' });
    const executions = "SELECT to_regclass('executions') AS found";
    expect(await query(urlOf('temporal'), executions)).toEqual([{ found: 'executions' }]);
    for (const other of ['temporal_visibility', 'spillway'])
      expect(await query(urlOf(other), executions)).toEqual([{ found: null }]);
  });

  test('a second start finds schema, workflows and address, and adds search attributes that are new', async () => {
    const first = await start({ searchAttributes: { Tenant: 'Keyword' } });
    await startWorkflow(first.address, 'kept', ['Tenant']);
    await first.stop();
    const second = await start({ searchAttributes: { Tenant: 'Keyword', Model: 'Keyword' } });
    expect(told).toEqual([]);
    expect(second.address).toBe(first.address);
    await expect(statusOf(second.address, 'kept')).resolves.toBe('RUNNING');
    await startWorkflow(second.address, 'with-both', ['Tenant', 'Model']);
  });

  test('it starts again after it was killed, on other ports where its own are lost', async () => {
    const first = await start();
    await startWorkflow(first.address, 'before-the-kill');
    process.kill(first.pid, 'SIGKILL');
    await untilGone(first.pid);
    await first.stop();
    await rm(join(root, 'temporal/temporal.ports.json'));
    const second = await start();
    expect(second.address).not.toBe(first.address);
    await expect(statusOf(second.address, 'before-the-kill')).resolves.toBe('RUNNING');
  });

  test('a server left by a killed parent is stopped, and its database taken over', async () => {
    const parent = fileURLToPath(new URL('temporal-server-parent.ts', import.meta.url));
    const args = ['--import', 'tsx', parent, server, sqlTool, postgres.url, join(root, 'temporal')];
    const child = spawn(process.execPath, args);
    const [line] = await once(child.stdout, 'data');
    const [address = '', pid] = String(line).trim().split(' ');
    await startWorkflow(address, 'orphaned');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await startOf(Number(pid))).not.toBe('');
    const taken = await start();
    expect(taken.address).toBe(address);
    expect(await startOf(Number(pid))).toBe('');
    await expect(statusOf(address, 'orphaned')).resolves.toBe('RUNNING');
  });

  test('nothing of it is left once it has stopped, and nobody else may read its password', async () => {
    const { pid, stop } = await start();
    const directory = join(root, 'temporal');
    expect((await stat(join(directory, 'server.yaml'))).mode & 0o077).toBe(0);
    const { password } = new URL(postgres.url);
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).not.toContain(password);
    await stop();
    expect(await startOf(pid)).toBe('');
    expect(await readdir(directory)).not.toContain('temporal.pid');
  });

  test('it knows every setting that we give it', async () => {
    await (await start()).stop();
    const file = join(root, 'temporal/dynamic-config.yaml');
    const output = await runCommand({ command: server, args: ['validate-dynamic-config', file], timeoutMs: 10_000 });
    expect(output.trim()).toBe(file);
  });

  test('a database that a killed start left half-made is made anew', async () => {
    const other = await startPostgres('half-made');
    onTestFinished(async () => {
      await running?.stop();
      await other.stop();
    });
    await mkdir(join(root, 'half-made-temporal'));
    await writeFile(join(root, 'half-made-temporal/temporal.making'), '');
    await query(other.url, 'CREATE DATABASE temporal');
    const { address } = await start({ name: 'half-made-temporal', url: other.url });
    await startWorkflow(address, 'on-a-whole-one');
    expect(await readdir(join(root, 'half-made-temporal'))).not.toContain('temporal.making');
  });

  test('a database of that name which we did not make is left as it is', async () => {
    const other = await startPostgres('foreign');
    onTestFinished(other.stop);
    await query(other.url, 'CREATE DATABASE temporal');
    const url = other.url.replace(/\/[^/]*$/, '/temporal');
    await query(url, 'CREATE TABLE somebody_elses AS SELECT 42 AS answer');
    await expect(start({ name: 'foreign-temporal', url: other.url })).rejects.toThrow(/schema_version/);
    expect(await query(url, 'SELECT answer FROM somebody_elses')).toEqual([{ answer: 42 }]);
  });
});
