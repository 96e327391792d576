import { join } from 'node:path';
import { searchAttributeTypes } from '../src/contracts/search-attributes.ts';
import { findTemporalCli } from '../src/embedded/temporal-cli.ts';
import type { RunningTemporal } from '../src/embedded/temporal-process.ts';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { provideTemporalServer } from '../src/embedded/temporal-server-programs.ts';
import { startTemporalServer } from '../src/embedded/temporal-server.ts';
import { startDevServer } from '../src/embedded/temporal.ts';

export interface TemporalPlace {
  /** Everything of the server is below it. */
  readonly directory: string;
  /** That of the jobs. The server on Postgres shares it: both are synced to one disk, as on a machine that has one. */
  readonly postgresUrl: string;
  readonly cacheDirectory: string;
}

const common = { searchAttributes: searchAttributeTypes, log: () => undefined };

export async function startTemporal(kind: TemporalServerKind, place: TemporalPlace): Promise<RunningTemporal> {
  const directory = join(place.directory, 'temporal');
  const { cacheDirectory, postgresUrl } = place;
  const { TEMPORAL_CLI_PATH: configuredPath, PATH: searchPath = '' } = process.env;
  if (kind === 'dev') {
    const cliPath = await findTemporalCli({ configuredPath, searchPath, cacheDirectory, log: common.log });
    return await startDevServer({ ...common, cliPath, databaseFile: join(directory, 'temporal.db') });
  }
  // A build of minutes is not to look like a hang.
  const programs = await provideTemporalServer({ cacheDirectory, searchPath, log: (line) => console.error(line) });
  return await startTemporalServer({ ...common, programs, postgresUrl, directory });
}
