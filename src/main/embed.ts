import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { findTemporalCli } from '../embedded/temporal-cli.ts';
import { startDevServer } from '../embedded/temporal.ts';
import type { Started } from './stop.ts';

/** Where the database and Temporal are: as configured, else started here. */
export interface Backends {
  readonly databaseUrl: string;
  /** Undefined: as `@temporalio/envconfig` reads it. */
  readonly temporalAddress: string | undefined;
  readonly temporalUiUrl: string | undefined;
}

/** A line that a person reads; the log has the whole of it. */
const toldCharsMax = 150;

export interface EmbedSetting {
  readonly config: Config;
  readonly log: Logger;
  /** For a person who does not see the log: what is fetched from where, and what is made. */
  readonly tell?: (line: string) => void;
}

/** Only `start` and `demo` come here. What was started is added to `started`. */
export async function findBackends({ config, log, tell }: EmbedSetting, started: Started): Promise<Backends> {
  const say = (message: string, fields: object = {}): void => {
    log.info(fields, message);
    tell?.(`  ${[message, ...Object.values(fields)].join(', ').slice(0, toldCharsMax)}`);
  };
  const [databaseUrl, temporal] = await Promise.all([
    config.databaseUrl ?? embedPostgres(config, say, started),
    config.temporal.address === undefined ? embedTemporal(config, say, started) : undefined,
  ]);
  return {
    databaseUrl,
    temporalAddress: temporal?.address,
    temporalUiUrl: temporal?.uiUrl ?? config.temporal.uiUrl,
  };
}

type Say = (message: string, fields?: object) => void;

async function embedPostgres(config: Config, log: Say, started: Started): Promise<string> {
  const postgres = await startEmbeddedPostgres({ directory: join(config.dataDirectory, 'postgres'), log });
  started.add(postgres);
  return postgres.url;
}

async function embedTemporal(config: Config, log: Say, started: Started): Promise<{ address: string; uiUrl: string }> {
  const cliPath = await findTemporalCli({
    configuredPath: config.temporal.cliPath,
    searchPath: config.searchPath,
    cacheDirectory: config.cacheDirectory,
    log,
  });
  const databaseFile = join(config.dataDirectory, 'temporal', 'temporal.db');
  const server = await startDevServer({ cliPath, databaseFile, searchAttributes: {}, log });
  started.add(server);
  return server;
}
