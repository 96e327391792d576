import { rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { withIncoming } from '../../src/embedded/cache.ts';
import { runCommand } from '../../src/embedded/processes.ts';
import { cacheDirectory } from './servers.ts';

export interface PythonPackage {
  /** Of the folder: the package and its version. */
  readonly name: string;
  /** What pip installs, each with its version. */
  readonly packages: readonly string[];
  /** What to tell somebody whose machine has no Python, or can't reach the index. */
  readonly what: string;
}

const installTimeoutMs = 300_000;

/** Where a Python package is, which is fetched once. The name says for which Python: some have parts in machine code. */
export async function installPython({ name, packages, what }: PythonPackage): Promise<string> {
  try {
    const show = ['-c', 'import sys; print(sys.implementation.cache_tag)'];
    const python = (await runCommand({ command: 'python3', args: show, timeoutMs: 10_000 })).trim();
    const place = join(resolve(cacheDirectory), `${name}-${python}`);
    if (!(await exists(place))) await install(place, packages);
    return place;
  } catch (error) {
    throw new Error(what, { cause: error });
  }
}

async function install(place: string, packages: readonly string[]): Promise<void> {
  await withIncoming(resolve(cacheDirectory), async (incoming) => {
    // Into a folder of its own: it changes nothing of this machine's Python, and can be moved when it is whole.
    const options = ['--target', incoming, '--quiet', '--disable-pip-version-check', '--root-user-action=ignore'];
    const args = ['-m', 'pip', 'install', ...options, ...packages];
    await runCommand({ command: 'python3', args, timeoutMs: installTimeoutMs });
    await rename(incoming, place).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await exists(place))) throw error;
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
