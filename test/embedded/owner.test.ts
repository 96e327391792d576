import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimDirectory, DirectoryInUseError } from '../../src/embedded/owner.ts';
import { isServing, startOf } from '../../src/embedded/processes.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-owner-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function startSleeper() {
  const sleeper = spawn('sleep', ['60']);
  await once(sleeper, 'spawn');
  return { sleeper, pid: sleeper.pid ?? 0 };
}

test('a claim is given back without a trace', async () => {
  const release = await claimDirectory(directory, 'postgres');
  await release();
  await expect(readdir(directory)).resolves.toEqual([]);
});

test('a directory whose owner lives is refused', async () => {
  const { sleeper, pid } = await startSleeper();
  await writeFile(join(directory, 'postgres.owner.json'), JSON.stringify({ pid, start: await startOf(pid) }));
  await expect(claimDirectory(directory, 'postgres')).rejects.toThrow(DirectoryInUseError);
  sleeper.kill('SIGKILL');
  await once(sleeper, 'exit');
  await expect(claimDirectory(directory, 'postgres')).resolves.toBeTypeOf('function');
});

test('an owner whose process id has since been given to another process is no owner', async () => {
  const { sleeper, pid } = await startSleeper();
  await writeFile(join(directory, 'postgres.owner.json'), JSON.stringify({ pid, start: 'long ago' }));
  await expect(claimDirectory(directory, 'postgres')).resolves.toBeTypeOf('function');
  sleeper.kill('SIGKILL');
});

test('half a claim, left by a crash, is no claim', async () => {
  await writeFile(join(directory, 'postgres.owner.json'), '{"pid":');
  await expect(claimDirectory(directory, 'postgres')).resolves.toBeTypeOf('function');
});

test('a live process serves only what its command line names', async () => {
  const { sleeper, pid } = await startSleeper();
  await expect(isServing({ pid, marker: 'sleep' })).resolves.toBe(true);
  await expect(isServing({ pid, marker: '/some/data' })).resolves.toBe(false);
  sleeper.kill('SIGKILL');
  await once(sleeper, 'exit');
  await expect(isServing({ pid, marker: 'sleep' })).resolves.toBe(false);
});
