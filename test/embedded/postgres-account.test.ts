import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { canReach } from '../../src/embedded/postgres-account.ts';

// An id that no file has: it gets what everybody gets.
const stranger = { uid: 54_321, gid: 54_321 };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-reach-'));
  await chmod(directory, 0o755);
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('our own account reaches everything we name', async () => {
  await expect(canReach('/does/not/matter', undefined)).resolves.toBe(true);
});

test('a directory below open ones is reached', async () => {
  await mkdir(join(directory, 'a/b'), { recursive: true, mode: 0o755 });
  await expect(canReach(join(directory, 'a/b'), stranger)).resolves.toBe(true);
});

test('one private directory above is enough to be out of reach', async () => {
  await mkdir(join(directory, 'a/b'), { recursive: true, mode: 0o755 });
  await chmod(join(directory, 'a'), 0o700);
  await expect(canReach(join(directory, 'a/b'), stranger)).resolves.toBe(false);
});

test('a private directory is within reach of its owner', async () => {
  await chmod(directory, 0o700);
  const { uid, gid } = await stat(directory);
  await expect(canReach(directory, { uid, gid })).resolves.toBe(true);
});
