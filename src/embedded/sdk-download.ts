import { readdir, rename, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cachedPath, withIncoming } from './cache.ts';
import type { PinnedWheel } from './python-wheel.ts';
import { spawnServer, tailOf, type ServerProcess } from './processes.ts';

export interface SdkDownload {
  readonly kind: 'dev-server' | 'time-skipping';
  readonly wheel: PinnedWheel;
  readonly cacheDirectory: string;
}

class SdkDownloadError extends Error {
  override name = 'SdkDownloadError';
}

const silenceMsMax = 10_000;
const pollMs = 100;

/**
 * Lets the SDK's native core download the program as it would for a test. In a process of its own, because the core
 * can't be interrupted, only downloads together with a start, and would fix the worker runtime's options for us. It is
 * given up when nothing has arrived for ten seconds: where there is no internet it must not keep anybody waiting.
 */
export async function downloadWithSdk({ kind, wheel, cacheDirectory }: SdkDownload): Promise<string> {
  return await withIncoming(cacheDirectory, async (incoming) => {
    const worker = createRequire(import.meta.url).resolve('@temporalio/worker');
    const args = ['--eval', childProgram, worker, kind, wheel.version, incoming];
    const logFile = join(incoming, 'log');
    await superviseDownload(await spawnServer({ command: process.execPath, args, logFile }), incoming);
    const file = (await readdir(incoming)).find((name) => name.includes(wheel.version));
    if (file === undefined || file.endsWith('.downloading')) throw new SdkDownloadError(await lastLine(logFile));
    const path = cachedPath(wheel, cacheDirectory);
    await rename(join(incoming, file), path);
    return path;
  });
}

/** CommonJS, as `node --eval` runs it. The download is complete when the server it belongs to has started. */
const childProgram = `
  const [, worker, kind, version, downloadDir] = process.argv;
  const { Runtime } = require(worker);
  const exe = { type: 'cached-download', version, downloadDir, ttl: 0, sdkName: 'sdk-typescript', sdkVersion: '' };
  const common = { type: kind, exe, port: null, extraArgs: [] };
  const devServer = { namespace: 'default', ip: '127.0.0.1', uiPort: null, dbFilename: null, ui: false,
    log: { format: 'pretty', level: 'error' } };
  const runtime = Runtime.instance();
  runtime.createEphemeralServer(kind === 'dev-server' ? { ...common, ...devServer } : common)
    .then((server) => runtime.shutdownEphemeralServer(server))
    .then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
`;

async function superviseDownload(child: ServerProcess, directory: string): Promise<void> {
  let bytes = 0;
  let lastArrival = Date.now();
  while (child.exitReason() === undefined && Date.now() - lastArrival < silenceMsMax) {
    await sleep(pollMs);
    const now = await bytesIn(directory);
    if (now > bytes) lastArrival = Date.now();
    bytes = now;
  }
  if (child.exitReason() !== undefined) return;
  // The whole group: the core may have started the server it downloaded.
  process.kill(-child.pid, 'SIGKILL');
  throw new SdkDownloadError('nothing arrived for 10 seconds');
}

async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name)).catch(() => null))?.size),
  );
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

async function lastLine(logFile: string): Promise<string> {
  return (await tailOf(logFile)).split('\n').at(-1) || 'the download failed';
}
