import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { limits } from '../domain/limits/limits.ts';
import { consumeBody } from './consume-body.ts';
import { assertKey, assertRange, type ByteRange, type ObjectStore, type OpenedObject } from './object-store.ts';

/** What is not whole yet lies here, on the same file system. No key begins with a dot. */
const incoming = '.incoming';

/** Objects as files of one folder, which is made when it is missing. Several processes may share it. */
export function createLocalObjectStore(folder: string): ObjectStore {
  const directory = resolve(folder);
  // Nobody waits for it and nothing depends on it: a folder that is out of order says so at the first write.
  removeAbandoned(join(directory, incoming)).catch(() => undefined);
  return {
    async write(key, object) {
      assertKey(key);
      await consumeBody(object, async (chunks) => {
        await placeWhole({ directory, key }, (path) => writeAll(path, chunks));
      });
    },
    async open(key, range) {
      assertKey(key);
      assertRange(range);
      return await openFile(join(directory, key), range);
    },
    async describe(key) {
      assertKey(key);
      const facts = await stat(join(directory, key)).catch(absent);
      return facts && { bytes: facts.size };
    },
    async copy(from, to) {
      assertKey(from);
      assertKey(to);
      const source = join(directory, from);
      if (!(await stat(source).catch(absent))) return false;
      // Where the file system can, both share the bytes until one is replaced.
      const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE;
      await placeWhole({ directory, key: to }, (path) => copyFile(source, path, flags));
      return true;
    },
    async remove(key) {
      assertKey(key);
      const path = join(directory, key);
      await rm(path, { force: true });
      // What was erased must not come back with a power cut.
      await sync(dirname(path)).catch(absent);
    },
  };
}

interface Place {
  readonly directory: string;
  readonly key: string;
}

/**
 * A reader finds the whole file or none, also after a power cut: what was accepted has its picture. `fill` makes the
 * file under a name of its own, since two processes may write one key at once; the last rename wins.
 */
async function placeWhole({ directory, key }: Place, fill: (path: string) => Promise<void>): Promise<void> {
  const target = join(directory, key);
  const temporary = join(directory, incoming, `${randomUUID()}.part`);
  await mkdir(dirname(temporary), { recursive: true });
  const firstMade = await mkdir(dirname(target), { recursive: true });
  try {
    await fill(temporary);
    await sync(temporary);
    await rename(temporary, target);
  } catch (error) {
    // A full disk must not be kept full by what did not fit.
    await rm(temporary, { force: true });
    throw error;
  }
  await syncUpwards(dirname(target), firstMade && dirname(firstMade));
}

async function writeAll(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of chunks) await file.appendFile(chunk);
  } finally {
    await file.close();
  }
}

/** Size and bytes of one and the same file, also when another takes its place meanwhile. */
async function openFile(path: string, range: ByteRange | undefined): Promise<OpenedObject | undefined> {
  const file = await open(path, 'r').catch(absent);
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    return { bytes: size, body: file.createReadStream({ ...range }) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A new name lasts when its folder is on disk; a new folder, when the one above it is. */
async function syncUpwards(from: string, to = from): Promise<void> {
  for (let path = from; ; path = dirname(path)) {
    await sync(path);
    if (path === to || path === dirname(path)) return;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a killed process left. A young one may be another process still at work. */
async function removeAbandoned(directory: string): Promise<void> {
  const names = (await readdir(directory).catch(absent)) ?? [];
  for (const path of names.map((name) => join(directory, name))) {
    const facts = await stat(path).catch(absent);
    if (facts && Date.now() - facts.mtimeMs > limits.objectPartAgeMsMax) await rm(path, { force: true });
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
