import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { catalogueWarnings, loadCatalogue } from '../catalogue/load.ts';
import { type Catalogue, withDurationsScaled } from '../catalogue/schema.ts';
import type { Config, Secrets } from '../config.ts';
import { assertSchemaIsCurrent, migrate } from '../db/migrate.ts';
import { createPool } from '../db/pool.ts';
import { setSpendCap, upsertPools } from '../db/pools.ts';
import { type Backends, findBackends } from './embed.ts';
import { type RunningApi, runApi } from './run-api.ts';
import { runWorker } from './run-worker.ts';
import type { Stoppable } from './stop.ts';
import { installRuntime, readTemporalSettings } from './temporal.ts';
import { buildVendors, type Vendors } from './vendors.ts';

/** The repository's root, from `src/main` and from `dist/main` alike. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const migrationsDirectory = join(root, 'migrations');

export interface Setting {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<unknown>;
}

/** The catalogue and the vendors that it names: what `api`, `worker` and `start` have in common. */
export async function readCatalogue({
  config,
  secrets,
  log,
}: Setting): Promise<{ catalogue: Catalogue; vendors: Vendors }> {
  const loaded = await loadCatalogue(config.cataloguePath);
  // The simulator's videos take a share of the real ones' time, so the figures for them do too.
  const catalogue = config.simulated ? withDurationsScaled(loaded, config.simulator.timeScale) : loaded;
  for (const warning of catalogueWarnings(catalogue)) log.warn({ warning }, 'catalogue');
  return { catalogue, vendors: buildVendors(catalogue, config, secrets) };
}

/** Brings the schema up to date and seeds what the catalogue and the configuration say. */
export async function prepareDatabase(setting: Setting, databaseUrl: string, vendors: Vendors): Promise<void> {
  const { config, log } = setting;
  await migrate({
    url: databaseUrl,
    directory: migrationsDirectory,
    log: (message) => log.debug({ message }, 'migration'),
  });
  const pool = createPool({ url: databaseUrl, connectionsMax: 1, name: 'migrate', onError: () => undefined });
  try {
    await upsertPools(pool, vendors.pools);
    await setSpendCap(pool, config.spendCapUsd === undefined ? null : Math.round(config.spendCapUsd * 1e6));
  } finally {
    await pool.end();
  }
}

export interface Stack {
  readonly api: RunningApi;
  readonly backends: Backends;
}

/** Everything in one process, on embedded servers where none are configured. What was started is added to `started`. */
export async function startStack(setting: Setting, started: Stoppable[]): Promise<Stack> {
  const { config, secrets, log } = setting;
  const { catalogue, vendors } = await readCatalogue(setting);
  installRuntime();
  const backends = await findBackends(config, log, started);
  const { databaseUrl } = backends;
  await prepareDatabase(setting, databaseUrl, vendors);
  const temporal = readTemporalSettings(backends.temporalAddress);
  const { publicUrl } = config.api;
  if (publicUrl === undefined) log.info('PUBLIC_URL is not set: no callbacks are registered, every job is polled');

  const common = { config, secrets, databaseUrl, temporal, catalogue, vendors, publicUrl, log };
  started.push(await runWorker(common));
  const api = await runApi(common);
  started.push(api);
  return { api, backends };
}

/** `api` and `worker` migrate nothing: a deployment does that once, before it starts them. */
export async function assertReady(databaseUrl: string): Promise<void> {
  await assertSchemaIsCurrent(databaseUrl, migrationsDirectory);
}
