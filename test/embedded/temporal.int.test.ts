import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { startOf } from '../../src/embedded/processes.ts';
import type { SearchAttributes } from '../../src/embedded/search-attributes.ts';
import { startDevServer, type RunningDevServer } from '../../src/embedded/temporal.ts';
import { makeTestDirectory } from '../support/servers.ts';

const cliPath = inject('temporalCliPath');
let root: string;
let databaseFile: string;
let running: RunningDevServer | undefined;

beforeEach(async () => {
  root = await makeTestDirectory();
  databaseFile = join(root, 'temporal', 'temporal.db');
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await rm(root, { recursive: true, force: true });
});

async function start(searchAttributes: SearchAttributes = {}): Promise<RunningDevServer> {
  running = await startDevServer({ cliPath, databaseFile, searchAttributes, log: () => undefined });
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

async function startWorkflow(address: string, attributes: readonly string[] = []): Promise<void> {
  const pairs = attributes.map((name) => ({ key: defineSearchAttributeKey(name, 'KEYWORD'), value: 'x' }));
  const typedSearchAttributes = new TypedSearchAttributes(pairs);
  const options = { workflowId: 'kept', taskQueue: 'nobody', args: [], typedSearchAttributes };
  await withClient(address, async (client) => await client.workflow.start('anything', options));
}

async function statusOfKept(address: string): Promise<string> {
  const { status } = await withClient(address, async (client) => await client.workflow.getHandle('kept').describe());
  return status.name;
}

test('it takes work as soon as it is called ready, and shows its UI', async () => {
  const { address, uiUrl } = await start();
  await startWorkflow(address);
  const response = await fetch(uiUrl);
  expect(response.status).toBe(200);
});

test('workflows and addresses survive a restart', async () => {
  const first = await start();
  await startWorkflow(first.address);
  await first.stop();
  const second = await start();
  expect([second.address, second.uiUrl]).toEqual([first.address, first.uiUrl]);
  await expect(statusOfKept(second.address)).resolves.toBe('RUNNING');
});

test('search attributes may be repeated on an existing database, and new ones added', async () => {
  await (await start({ Tenant: 'Keyword' })).stop();
  const { address } = await start({ Tenant: 'Keyword', Model: 'Keyword' });
  await startWorkflow(address, ['Tenant', 'Model']);
  await expect(statusOfKept(address)).resolves.toBe('RUNNING');
});

test('it starts again after it was killed', async () => {
  const first = await start();
  await startWorkflow(first.address);
  process.kill(first.pid, 'SIGKILL');
  await expect.poll(async () => await startOf(first.pid), { timeout: 10_000, interval: 20 }).toBe('');
  await expect(statusOfKept((await start()).address)).resolves.toBe('RUNNING');
});

test('a server left by a killed parent is stopped, and its database taken over', async () => {
  const parent = fileURLToPath(new URL('temporal-parent.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', parent, cliPath, databaseFile]);
  const [line] = await once(child.stdout, 'data');
  const [address = '', pid] = String(line).trim().split(' ');
  await startWorkflow(address);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await startOf(Number(pid))).not.toBe('');
  const taken = await start();
  expect(taken.address).toBe(address);
  expect(await startOf(Number(pid))).toBe('');
  await expect(statusOfKept(taken.address)).resolves.toBe('RUNNING');
});

test('a port that is asked for and taken is an error that names it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const options = { cliPath, databaseFile, port, searchAttributes: {}, log: () => undefined };
  await expect(startDevServer(options)).rejects.toThrow(String(port));
  server.close();
});
