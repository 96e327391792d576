import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withIncoming } from '../../src/embedded/cache.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-cache-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function fetchProgram(text: string): Promise<void> {
  await withIncoming(directory, async (incoming) => {
    await writeFile(join(incoming, 'program'), text);
    await rename(join(incoming, 'program'), join(directory, 'program-1'));
  });
}

test('two that fetch at once both succeed, and leave one program and nothing else', async () => {
  await expect(Promise.all([fetchProgram('same'), fetchProgram('same')])).resolves.toHaveLength(2);
  await expect(readdir(directory)).resolves.toEqual(['program-1']);
});

test('a fetch that fails leaves nothing', async () => {
  const fetching = withIncoming(directory, async (incoming) => {
    await writeFile(join(incoming, 'half'), 'half');
    throw new Error('cut off');
  });
  await expect(fetching).rejects.toThrow('cut off');
  await expect(readdir(directory)).resolves.toEqual([]);
});

test('what a killed process left long ago is removed, what is recent is another process at work', async () => {
  await mkdir(join(directory, '.incoming-old'));
  await mkdir(join(directory, '.incoming-new'));
  await utimes(join(directory, '.incoming-old'), 0, 0);
  await fetchProgram('text');
  expect((await readdir(directory)).toSorted()).toEqual(['.incoming-new', 'program-1']);
});
