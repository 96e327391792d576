import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { findTemporalCli } from '../../src/embedded/temporal-cli.ts';
import { startDevServer } from '../../src/embedded/temporal.ts';

/** The programs that are fetched once and kept. */
export const cacheDirectory = process.env['SPILLWAY_CACHE_DIR'] ?? join(import.meta.dirname, '../../.spillway/cache');

export interface TestServers {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string;
  readonly temporalCliPath: string;
  readonly stop: () => Promise<void>;
}

/** A fresh directory that the account which runs Postgres for root can reach: `mkdtemp` makes it ours alone. */
export async function makeTestDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-test-'));
  await chmod(directory, 0o755);
  return directory;
}

async function findTestCli(): Promise<string> {
  const { TEMPORAL_CLI_PATH: configuredPath, PATH: searchPath } = process.env;
  return await findTemporalCli({ configuredPath, searchPath, cacheDirectory, log: () => undefined });
}

/** The servers that the environment names, or new ones that `stop` removes with all they hold. */
export async function startTestServers(): Promise<TestServers> {
  const directory = await makeTestDirectory();
  const [temporalCliPath, postgres] = await Promise.all([findTestCli(), providePostgres(directory)]);
  const temporal = await provideTemporal(temporalCliPath, directory);
  // Detached servers outlive a run that is cut short; an exit hook can do no more than kill.
  const abandon = () => [postgres.pid, temporal.pid].forEach(killNow);
  process.once('exit', abandon);
  const stop = async () => {
    await Promise.all([postgres.stop(), temporal.stop()]);
    process.off('exit', abandon);
    await rm(directory, { recursive: true, force: true });
  };
  const { address: temporalAddress, uiUrl: temporalUiUrl } = temporal;
  return { databaseUrl: postgres.url, temporalAddress, temporalUiUrl, temporalCliPath, stop };
}

async function providePostgres(directory: string) {
  const url = process.env['DATABASE_URL'];
  if (url) return { url, pid: undefined, stop: async () => undefined };
  return await startEmbeddedPostgres({ directory: join(directory, 'postgres'), relaxed: true, log: () => undefined });
}

/** A workflow task that fails is tried again soon, and reported soon: a test waits for the second try and for the report. */
const impatient = {
  'history.workflowTaskRetryMaxInterval': '"1s"',
  'system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute': 2,
};

async function provideTemporal(cliPath: string, directory: string) {
  const address = process.env['TEMPORAL_ADDRESS'];
  if (address) return { address, uiUrl: '', pid: undefined, stop: async () => undefined };
  const databaseFile = join(directory, 'temporal', 'temporal.db');
  const searchAttributes = searchAttributeTypes;
  return await startDevServer({ cliPath, databaseFile, searchAttributes, settings: impatient, log: () => undefined });
}

/** For exit hooks, which can do no more. */
export function killNow(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
