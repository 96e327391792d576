import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLocalImageStore, type ImageStore } from '../../src/storage/image-store.ts';

let parent: string;
let directory: string;
let store: ImageStore;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'spillway-store-'));
  directory = join(parent, 'not', 'yet', 'there');
  store = createLocalImageStore(directory);
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const bytes = Buffer.from([1, 2, 3]);

test.each([
  ['image/jpeg', 'a_1.jpg'],
  ['image/png', 'a_1.png'],
  ['image/webp', 'a_1.webp'],
] as const)('a picture of type %s is kept as %s', async (contentType, key) => {
  expect(await store.save('a_1', { bytes, contentType })).toBe(key);
  expect(await store.read(key)).toEqual({ bytes, contentType });
  expect(await readdir(directory)).toEqual([key]);
});

test('saving again replaces, and many may be saved at once', async () => {
  const keys = await Promise.all(
    Array.from({ length: 20 }, (_, index) => store.save(`p${index}`, { bytes, contentType: 'image/png' })),
  );
  expect(await readdir(directory)).toHaveLength(20);
  await store.save('p0', { bytes: Buffer.from([9]), contentType: 'image/png' });
  expect((await store.read(keys[0] ?? ''))?.bytes).toEqual(Buffer.from([9]));
});

test('what could not be kept leaves nothing behind', async () => {
  await mkdir(join(directory, 'a.png'), { recursive: true });
  await expect(store.save('a', { bytes, contentType: 'image/png' })).rejects.toThrow('EISDIR');
  expect(await readdir(directory)).toEqual(['a.png']);
});

test('what is not there is undefined, and may be removed again', async () => {
  expect(await store.read('a.png')).toBeUndefined();
  await store.remove('a.png');
  const key = await store.save('a', { bytes, contentType: 'image/png' });
  await store.remove(key);
  await store.remove(key);
  expect(await store.read(key)).toBeUndefined();
});

test.each(['../secret', 'a/b', '', '.hidden', 'A', 'a.png', 'a\0', 'x'.repeat(129)])(
  'a name that is a path is refused: %j',
  async (name) => {
    await expect(store.save(name, { bytes, contentType: 'image/png' })).rejects.toThrow('assertion failed');
  },
);

test.each(['../outside.png', '../../../outside.png', '/etc/passwd', 'outside', 'a.gif', '.a.png.part'])(
  'a key that leads elsewhere reads and removes nothing: %s',
  async (key) => {
    await writeFile(join(parent, 'outside.png'), 'kept');
    expect(await store.read(key)).toBeUndefined();
    await store.remove(key);
    expect(await readdir(parent)).toContain('outside.png');
  },
);
