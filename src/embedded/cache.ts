import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const prefix = '.incoming-';
const abandonedAfterMs = 3_600_000;

/** The name under which a pinned program waits in the cache. With its version: a newer pin is a new file. */
export function cachedPath(program: { program: string; version: string }, cacheDirectory: string): string {
  return join(cacheDirectory, `${program.program}-${program.version}`);
}

/**
 * Lets `fetch` work in a directory of its own inside the cache, which is on the same file system: the last step can be
 * a rename, so a half download is never found, and two processes that fetch at once only do the work twice.
 */
export async function withIncoming<Result>(
  cacheDirectory: string,
  fetch: (incoming: string) => Promise<Result>,
): Promise<Result> {
  await mkdir(cacheDirectory, { recursive: true });
  await removeAbandoned(cacheDirectory);
  const incoming = await mkdtemp(join(cacheDirectory, prefix));
  try {
    return await fetch(incoming);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** What a killed process left. A young one may be another process still at work. */
async function removeAbandoned(cacheDirectory: string): Promise<void> {
  for (const name of await readdir(cacheDirectory)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(cacheDirectory, name);
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}
