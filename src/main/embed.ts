import { join } from 'node:path';
import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config.ts';
import { searchAttributeTypes } from '../contracts/search-attributes.ts';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { findTemporalCli } from '../embedded/temporal-cli.ts';
import type { TemporalServerKind } from '../embedded/temporal-server-kind.ts';
import { provideTemporalServer } from '../embedded/temporal-server-programs.ts';
import { startTemporalServer } from '../embedded/temporal-server.ts';
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
  readonly temporalServer?: TemporalServerKind;
}

/** Only `start`, `demo` and `temporal:postgres` come here. What was started is added to `started`. */
export async function findBackends(setting: EmbedSetting, started: Started): Promise<Backends> {
  const { config, log, tell } = setting;
  const say = (message: string, fields: object = {}): void => {
    log.info(fields, message);
    tell?.(`  ${[message, ...Object.values(fields)].join(', ').slice(0, toldCharsMax)}`);
  };
  if (setting.temporalServer === 'postgres' && config.temporal.isConfigured)
    throw new ConfigError(
      'A Temporal server is configured, by TEMPORAL_ADDRESS or a profile, and --temporal asks for a server here. Leave one of them out.',
    );
  const embedTemporal = setting.temporalServer === 'postgres' ? embedTemporalOnPostgres : embedDevServer;
  let postgres: Promise<string> | undefined;
  const embedding: Embedding = {
    config,
    log: say,
    started,
    postgresUrl: async () => await (postgres ??= embedPostgres(config, say, started)),
  };
  const [databaseUrl, temporal] = await Promise.all([
    config.databaseUrl ?? embedding.postgresUrl(),
    config.temporal.isConfigured ? undefined : embedTemporal(embedding),
  ]);
  return {
    databaseUrl,
    temporalAddress: temporal?.address,
    temporalUiUrl: temporal?.uiUrl ?? config.temporal.uiUrl,
  };
}

interface Embedding {
  readonly config: Config;
  readonly log: Say;
  readonly started: Started;
  /** The embedded Postgres, which is started once for whoever needs it first. */
  readonly postgresUrl: () => Promise<string>;
}

interface EmbeddedTemporal {
  readonly address: string;
  readonly uiUrl?: string;
}

type Say = (message: string, fields?: object) => void;

async function embedPostgres(config: Config, log: Say, started: Started): Promise<string> {
  const postgres = await startEmbeddedPostgres({ directory: join(config.dataDirectory, 'postgres'), log });
  started.add(postgres);
  return postgres.url;
}

async function embedDevServer({ config, log, started }: Embedding): Promise<EmbeddedTemporal> {
  const cliPath = await findTemporalCli({
    configuredPath: config.temporal.cliPath,
    searchPath: config.searchPath,
    cacheDirectory: config.cacheDirectory,
    log,
  });
  const databaseFile = join(config.dataDirectory, 'temporal', 'temporal.db');
  return started.add(await startDevServer({ cliPath, databaseFile, searchAttributes: searchAttributeTypes, log }));
}

/** On the embedded Postgres, also where DATABASE_URL names another one: that is for our own tables alone. */
async function embedTemporalOnPostgres(embedding: Embedding): Promise<EmbeddedTemporal> {
  const { config, log, started } = embedding;
  const stopping = new AbortController();
  started.add({ stop: async () => stopping.abort() });
  const { cacheDirectory, searchPath } = config;
  const programs = await provideTemporalServer({ cacheDirectory, searchPath, signal: stopping.signal, log });
  const directory = join(config.dataDirectory, 'temporal-postgres');
  const postgresUrl = await embedding.postgresUrl();
  return started.add(
    await startTemporalServer({ programs, postgresUrl, directory, searchAttributes: searchAttributeTypes, log }),
  );
}
