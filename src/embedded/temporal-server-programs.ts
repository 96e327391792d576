import { rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cachedPath, withIncoming } from './cache.ts';
import type { Log } from './log.ts';
import { spawnServer, tailOf, type ServerProcess } from './processes.ts';
import { onSearchPath, runnable } from './temporal-cli.ts';

/** Temporal's own server, and the tool that brings its schema into a database. */
export interface TemporalServerPrograms {
  readonly server: string;
  readonly sqlTool: string;
}

export interface BuildOptions {
  /** The project's own cache of programs. */
  readonly cacheDirectory: string;
  /** The value of PATH, where Go is looked for. */
  readonly searchPath: string;
  /** Ends a build that is under way, with all its processes. */
  readonly signal?: AbortSignal;
  readonly log: Log;
}

export class TemporalServerBuildError extends Error {
  override name = 'TemporalServerBuildError';
}

/** The version of the dev server in the pinned CLI, so that figures of the two can be compared. */
export const temporalServerVersion = '1.32.0';

const names = { server: 'temporal-server', sqlTool: 'temporal-sql-tool' } as const;
/** On two cores it takes five minutes, and the first time as many again to download a thousand modules. */
const buildMsMax = 3_600_000;

/** The programs in the cache; where they are not, they are built once, with Go, from the official source. */
export async function provideTemporalServer(options: BuildOptions): Promise<TemporalServerPrograms> {
  return (await findTemporalServer(options.cacheDirectory)) ?? (await build(options));
}

/** What was built before, if it was. */
export async function findTemporalServer(cacheDirectory: string): Promise<TemporalServerPrograms | undefined> {
  const programs = programsIn(placeIn(cacheDirectory));
  const found = await Promise.all([runnable(programs.server), runnable(programs.sqlTool)]);
  return found.includes(undefined) ? undefined : programs;
}

/** The archives on GitHub would be quicker, but a module is checked against Go's public sums wherever it comes from. */
async function build({ cacheDirectory, searchPath, signal, log }: BuildOptions): Promise<TemporalServerPrograms> {
  const go = await onSearchPath('go', searchPath);
  if (go === undefined)
    throw new TemporalServerBuildError(
      `Temporal's server for Postgres is built with Go, once, and there is no \`go\` on PATH. Install Go from ` +
        `https://go.dev/dl/ (1.26.8; from 1.21 on it fetches that by itself), or use the dev server, which needs none.`,
    );
  log("Building Temporal's server, once; this takes some five minutes and 2 GB", { version: temporalServerVersion });
  const startedAt = Date.now();
  const place = placeIn(cacheDirectory);
  await withIncoming(resolve(cacheDirectory), async (incoming) => {
    await install({ go, incoming, signal });
    await rename(join(incoming, 'server'), join(incoming, names.server));
    await rename(join(incoming, 'sql'), join(incoming, names.sqlTool));
    await rename(incoming, place).catch(async (error: unknown) => {
      // Another process was faster.
      if ((await findTemporalServer(cacheDirectory)) === undefined) throw error;
    });
  });
  log("Temporal's server is built", { seconds: Math.round((Date.now() - startedAt) / 1_000) });
  return programsIn(place);
}

interface Installation {
  readonly go: string;
  readonly incoming: string;
  readonly signal: AbortSignal | undefined;
}

/** At low priority, for it would take every core of somebody's machine. Without cgo, so no C compiler is needed. */
async function install({ go, incoming, signal }: Installation): Promise<void> {
  const packages = ['server', 'tools/sql'].map((name) => `go.temporal.io/server/cmd/${name}@v${temporalServerVersion}`);
  const args = [`GOBIN=${incoming}`, 'CGO_ENABLED=0', 'nice', '-n', '10', go, 'install', ...packages];
  const logFile = join(incoming, 'build.log');
  signal?.throwIfAborted();
  const compiler = await spawnServer({ command: 'env', args, logFile });
  const end = await endOf(compiler, signal);
  if (end !== 'code 0')
    throw new TemporalServerBuildError(`Go did not build Temporal (${end}): ${await tailOf(logFile)}`);
}

/** How it ended: by itself, or with its whole group when it was aborted or took too long. */
async function endOf(compiler: ServerProcess, signal: AbortSignal | undefined): Promise<string> {
  const killGroup = (): void => {
    if (compiler.exitReason() === undefined) process.kill(-compiler.pid, 'SIGKILL');
  };
  const late = setTimeout(killGroup, buildMsMax);
  signal?.addEventListener('abort', killGroup);
  if (signal?.aborted) killGroup();
  try {
    return await compiler.exited;
  } finally {
    signal?.removeEventListener('abort', killGroup);
    clearTimeout(late);
  }
}

function placeIn(cacheDirectory: string): string {
  return cachedPath({ program: 'temporal-server', version: temporalServerVersion }, resolve(cacheDirectory));
}

function programsIn(place: string): TemporalServerPrograms {
  return { server: join(place, names.server), sqlTool: join(place, names.sqlTool) };
}
