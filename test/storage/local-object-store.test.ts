import { access, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { until } from '../support/until.ts';
import { exerciseObjectStore, hostileKeys } from './object-store.ts';

describe('a local folder', () => {
  exerciseObjectStore(async () => {
    const parent = await mkdtemp(join(tmpdir(), 'spillway-objects-'));
    const directory = join(parent, 'not', 'yet', 'there');
    return {
      store: createLocalObjectStore(directory),
      debris: async () => await readdir(join(directory, '.incoming')).catch(() => []),
      stop: async () => await rm(parent, { recursive: true, force: true }),
    };
  });
});

describe('as files', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spillway-objects-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const key = 'assets/default/video_1/1.mp4';

  test('a key is a path, so that an operator finds what he looks for', async () => {
    await createLocalObjectStore(directory).write(key, { body: Buffer.from('x') });
    expect(String(await readFile(join(directory, key)))).toBe('x');
  });

  test('it has no links: whoever serves the API serves the files', () => {
    expect(createLocalObjectStore(directory).links).toBeUndefined();
  });

  test('processes that share a folder see each other’s objects', async () => {
    await createLocalObjectStore(directory).write(key, { body: Buffer.from('x') });
    expect(await createLocalObjectStore(directory).describe(key)).toEqual({ bytes: 1 });
  });

  test('what could not be kept leaves nothing behind', async () => {
    await mkdir(join(directory, key), { recursive: true });
    await expect(createLocalObjectStore(directory).write(key, { body: Buffer.from('x') })).rejects.toThrow('EISDIR');
    expect(await readdir(join(directory, '.incoming'))).toEqual([]);
  });

  test('a folder that is not ours to write is the error, as the system tells it', async () => {
    await writeFile(join(directory, 'assets'), 'a file');
    await expect(createLocalObjectStore(directory).write(key, { body: Buffer.from('x') })).rejects.toThrow('ENOTDIR');
  });

  test('parts of a process that was killed are removed after a day, and no others', async () => {
    const incoming = join(directory, '.incoming');
    await mkdir(incoming);
    const [old, young] = [join(incoming, 'old.part'), join(incoming, 'young.part')];
    await Promise.all([writeFile(old, ''), writeFile(young, '')]);
    const [twoDaysAgo, anHourAgo] = [48, 1].map((hours) => new Date(Date.now() - hours * 3_600_000));
    await utimes(old, twoDaysAgo ?? 0, twoDaysAgo ?? 0);
    await utimes(young, anHourAgo ?? 0, anHourAgo ?? 0);
    await createLocalObjectStore(directory).write(key, { body: Buffer.from('kept') });
    await until('the old one is gone', async () => !(await readdir(incoming)).includes('old.part'));
    expect(await readdir(incoming)).toEqual(['young.part']);
    await access(join(directory, key));
  });

  test.each(hostileKeys)('a hostile key reaches no file outside: %j', async (hostile) => {
    const store = createLocalObjectStore(join(directory, 'objects'));
    const outside = join(directory, 'outside.mp4');
    await writeFile(outside, 'secret');
    for (const call of [store.open(hostile), store.remove(hostile), store.write(hostile, { body: Buffer.from('x') })])
      await expect(call).rejects.toThrow('assertion failed');
    expect(String(await readFile(outside))).toBe('secret');
    expect(await readdir(dirname(outside))).toEqual(['outside.mp4']);
  });
});
