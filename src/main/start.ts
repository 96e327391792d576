import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { catalogueWarnings, loadCatalogue } from '../catalogue/load.ts';
import { type Catalogue, withDurationsScaled } from '../catalogue/schema.ts';
import { type Config, ConfigError, type Secrets } from '../config.ts';
import { claimDeployment } from '../db/deployment.ts';
import { assertSchemaIsCurrent, migrate } from '../db/migrate.ts';
import { createPool } from '../db/pool.ts';
import { setSpendCap, upsertPools } from '../db/scheduler/pools.ts';
import type { TemporalServerKind } from '../embedded/temporal-server-kind.ts';
import { isProviderKind } from '../providers/registry.ts';
import { type Backends, findBackends } from './embed.ts';
import { type RunningApi, runApi } from './run-api.ts';
import { runWorker } from './worker/run-worker.ts';
import type { Started } from './stop.ts';
import { registerSearchAttributes } from './temporal/attributes.ts';
import { installRuntime, readTemporalSettings } from './temporal/connection.ts';
import { buildVendors, type Vendors } from './vendors/vendors.ts';

/** The repository's root, from `src/main` and from `dist/main` alike. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const migrationsDirectory = join(root, 'migrations');

export interface Setting {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** Where the log does not go to the terminal: how to tell the person in front of it something. */
  readonly tell?: (line: string) => void;
  /** Which server is embedded where none is configured: `dev` unless it says `postgres`. */
  readonly temporalServer?: TemporalServerKind;
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<unknown>;
}

/** The catalogue and the vendors that it names: what `api`, `worker` and `start` have in common. */
export async function readCatalogue({
  config,
  secrets,
  log,
}: Setting): Promise<{ catalogue: Catalogue; vendors: Vendors }> {
  const loaded = await loadCatalogue(config.cataloguePath, isProviderKind);
  // The simulator's videos take a share of the real ones' time, so the figures for them do too.
  const catalogue = isSimulated(config) ? withDurationsScaled(loaded, config.simulator.timeScale) : loaded;
  for (const warning of catalogueWarnings(catalogue)) log.warn({ warning }, 'catalogue');
  const vendors = buildVendors(catalogue, config, secrets);
  for (const notice of vendors.notices) log.info({ notice }, 'providers');
  return { catalogue, vendors };
}

/** Brings the schema up to date. */
export async function migrateDatabase({ log }: Setting, databaseUrl: string): Promise<void> {
  await migrate({
    url: databaseUrl,
    directory: migrationsDirectory,
    log: (message) => log.debug({ message }, 'migration'),
  });
}

/**
 * Writes down what the catalogue and the configuration say of pools and of the cap on spending, whoever starts. A cap
 * that is not mentioned stays. Refuses the database of another kind of deployment: simulated and paid jobs never mix.
 */
export async function seedDatabase({ config }: Setting, databaseUrl: string, vendors: Vendors): Promise<void> {
  const pool = createPool({ url: databaseUrl, connectionsMax: 1, name: 'seed', onError: () => undefined });
  try {
    const simulated = isSimulated(config);
    const deployment = await claimDeployment(pool, simulated);
    if (deployment.simulated !== simulated) {
      const [kind, other] = deployment.simulated ? ['simulated', 'real'] : ['real', 'simulated'];
      throw new ConfigError(
        `DATABASE_URL belongs to a deployment with a ${kind} vendor. Use another one for a ${other} vendor.`,
      );
    }
    await upsertPools(pool, vendors.pools);
    if (config.spendCapUsd !== undefined) await setSpendCap(pool, capUsdMicros(config.spendCapUsd));
  } finally {
    await pool.end();
  }
}

function isSimulated({ simulatorUrl }: Config): boolean {
  return simulatorUrl !== undefined;
}

function capUsdMicros(cap: number | 'none'): number | null {
  return cap === 'none' ? null : Math.round(cap * 1e6);
}

export interface Stack {
  readonly api: RunningApi;
  readonly backends: Backends;
}

/** Everything in one process, on embedded servers where none are configured. */
export async function startStack(setting: Setting, started: Started): Promise<Stack> {
  const { config, secrets, log } = setting;
  const { catalogue, vendors } = await readCatalogue(setting);
  await installRuntime();
  const backends = await findBackends(setting, started);
  const { databaseUrl } = backends;
  await migrateDatabase(setting, databaseUrl);
  await seedDatabase(setting, databaseUrl, vendors);
  const temporal = readTemporalSettings(setting, backends.temporalAddress);
  // An embedded server knows them from its start; nobody has run `migrate` for another one.
  if (backends.temporalAddress === undefined) await registerSearchAttributes(temporal);
  const { publicUrl } = config.api;

  const common = { config, secrets, databaseUrl, temporal, catalogue, vendors, publicUrl, log };
  started.add(await runWorker(common));
  return { api: started.add(await runApi(common)), backends };
}

/** `api` and `worker` migrate nothing: a deployment does that once, before it starts them. */
export async function joinDatabase(setting: Setting, databaseUrl: string, vendors: Vendors): Promise<void> {
  await assertSchemaIsCurrent(databaseUrl, migrationsDirectory);
  await seedDatabase(setting, databaseUrl, vendors);
}
