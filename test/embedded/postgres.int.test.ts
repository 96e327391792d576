import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedPostgres, type RunningPostgres } from '../../src/embedded/postgres.ts';
import { startOf } from '../../src/embedded/processes.ts';
import { makeTestDirectory } from '../support/servers.ts';

let root: string;
let running: RunningPostgres | undefined;

beforeEach(async () => {
  root = await makeTestDirectory();
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await rm(root, { recursive: true, force: true });
});

async function start(directory = join(root, 'postgres')): Promise<RunningPostgres> {
  running = await startEmbeddedPostgres({ directory, log: () => undefined });
  return running;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  // A server that is killed breaks the connection; that is not the query's failure.
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return rows;
}

async function keepSomething(url: string): Promise<void> {
  await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
}

const kept = [{ answer: 42 }];

async function readKept(url: string): Promise<unknown[]> {
  return await query(url, 'SELECT answer FROM kept');
}

async function untilGone(pid: number): Promise<void> {
  await expect.poll(async () => await startOf(pid), { timeout: 10_000, interval: 20 }).toBe('');
}

test('data, port and password survive a restart', async () => {
  const first = await start();
  await keepSomething(first.url);
  await first.stop();
  const second = await start();
  expect(second.url).toBe(first.url);
  await expect(readKept(second.url)).resolves.toEqual(kept);
});

test('it is set up as promised', async () => {
  const { url } = await start();
  const rows = await query(
    url,
    `SELECT current_setting('max_connections') AS connections, current_setting('shared_buffers') AS buffers,
            current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
            current_setting('unix_socket_directories') AS sockets`,
  );
  expect(rows).toEqual([{ connections: '200', buffers: '256MB', encoding: 'UTF8', fsync: 'on', sockets: '' }]);
});

test('a wrong password is refused on loopback too', async () => {
  const { url } = await start();
  const wrong = url.replace(/:[0-9a-f]+@/, ':wrong@');
  await expect(query(wrong, 'SELECT 1')).rejects.toThrow(/password/);
});

test('it starts again after its postmaster was killed', async () => {
  const first = await start();
  await keepSomething(first.url);
  process.kill(first.pid, 'SIGKILL');
  await untilGone(first.pid);
  await expect(readKept((await start()).url)).resolves.toEqual(kept);
});

test('a pid file whose id belongs to another program does not stop it', async () => {
  const first = await start();
  await first.stop();
  const file = join(root, 'postgres/data/postmaster.pid');
  await writeFile(file, `${process.pid}\n${join(root, 'postgres/data')}\n`);
  await chmod(file, 0o644);
  await expect(start()).resolves.toMatchObject({ url: first.url });
});

test('what an interrupted first start left is not mistaken for data', async () => {
  await mkdir(join(root, 'postgres/.incoming-abc/data'), { recursive: true });
  const { url } = await start();
  await expect(query(url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
  await expect(readdir(join(root, 'postgres'))).resolves.not.toContain('.incoming-abc');
});

async function startInChild(directory: string) {
  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    fileURLToPath(new URL('postgres-parent.ts', import.meta.url)),
    directory,
  ]);
  const [line] = await once(child.stdout, 'data');
  const [url, pid] = String(line).trim().split(' ');
  return { child, url: url ?? '', pid: Number(pid) };
}

test('a server left by a killed parent is stopped, and its data taken over', async () => {
  const directory = join(root, 'postgres');
  const { child, url, pid } = await startInChild(directory);
  await keepSomething(url);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await startOf(pid)).not.toBe('');
  const taken = await start();
  expect(taken.url).toBe(url);
  expect(await startOf(pid)).toBe('');
  await expect(readKept(taken.url)).resolves.toEqual(kept);
});

test('a server whose parent lives is left alone', async () => {
  const directory = join(root, 'postgres');
  const { child, url } = await startInChild(directory);
  await expect(start()).rejects.toThrow(`Another Spillway (process ${child.pid}) is running`);
  await expect(query(url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await start();
});

test.runIf(process.platform === 'linux')("a terminal's Ctrl-C does not reach the server", async () => {
  const { pid } = await start();
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The process group, the fifth field, is what a terminal signals.
  expect(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])).toBe(pid);
});

test.runIf(process.getuid?.() === 0)('for root, a project in a private directory gets one within reach', async () => {
  await chmod(root, 0o700);
  const lines: unknown[] = [];
  const log = (_message: string, fields?: Readonly<Record<string, unknown>>) => lines.push(fields?.['directory']);
  running = await startEmbeddedPostgres({ directory: join(root, 'postgres'), log });
  await expect(query(running.url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
  await running.stop();
  const elsewhere = String(lines[0]);
  expect(elsewhere).toMatch(/spillway-[0-9a-f]{12}$/);
  await rm(elsewhere, { recursive: true });
});
