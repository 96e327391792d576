import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { runner } from 'node-pg-migrate';
import { Client } from 'pg';
import { limits } from '../domain/limits/limits.ts';
import { findPrimary, PrimaryClient } from './hosts.ts';
import { readMigrationFiles } from './migration-files.ts';

/** A newer release than this one has taken something out of the database that this one may need. */
export class NewerSchemaError extends Error {
  override name = 'NewerSchemaError';
}

export interface MigrateSettings {
  readonly url: string;
  readonly directory: string;
  readonly log: (message: string) => void;
}

const migrationsTable = 'spillway_migrations';

/**
 * Brings the schema up to this release, forward only, under an advisory lock of the runner's, so that racers queue. Each file
 * by itself: where one fails, those before it stay, which only add, and to run it again goes on from there.
 * What a newer release has added is left alone: it has nothing against this one. Refuses a schema that a newer release has
 * taken something from.
 */
export async function migrate(settings: MigrateSettings): Promise<void> {
  await refuseNewerSchema(settings.url, settings.directory);
  const giveUpAt = performance.now() + limits.migrationMsMax;
  for (;;) {
    try {
      return await runMigrations(settings);
    } catch (error) {
      if (!isLockTimeout(error) || performance.now() >= giveUpAt) throw error;
      settings.log('A lock was not to be had in time. Whoever waited behind goes first, then it is tried again.');
      await delay(limits.migrationLockPauseMs);
    }
  }
}

/**
 * A migration that waits for a lock on a table makes everybody wait who asks for the table after it, and what it waits for
 * may be a dump that takes hours. So it waits for a moment only.
 */
async function runMigrations({ url, directory, log }: MigrateSettings): Promise<void> {
  const dbClient = new Client({ connectionString: await findPrimary(url), connectionTimeoutMillis: 5_000 });
  dbClient.on('error', () => undefined);
  await dbClient.connect();
  try {
    await dbClient.query(`SET lock_timeout = ${limits.migrationLockMsMax}`);
    await runner({
      dbClient,
      dir: directory,
      direction: 'up',
      migrationsTable,
      checkOrder: true,
      // Each file is a transaction: a lock of one is not kept while the next ones are at work.
      singleTransaction: false,
      migrationLoaderStrategies: [{ extensions: ['.sql'], loader: readMigrationFiles }],
      advisoryLockMode: 'wait',
      verbose: false,
      log,
    });
  } finally {
    await dbClient.end();
  }
}

/** Postgres' lock_not_available. */
function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03';
}

/**
 * Throws unless every migration of this release has run, and none of a newer one that takes something away. Those that only
 * add are fine: while a release is rolled out, or back, processes of the one before start and stop beside it.
 */
export async function assertSchemaIsCurrent(url: string, directory: string): Promise<void> {
  const { applied, known } = await compare(url, directory);
  const missing = known.filter((name) => !applied.includes(name));
  if (missing.length > 0) throw new Error(`The database lacks ${missing.join(', ')}. Run \`npm run migrate\` first.`);
  throwOnNewer(applied, known);
}

async function refuseNewerSchema(url: string, directory: string): Promise<void> {
  const { applied, known } = await compare(url, directory);
  throwOnNewer(applied, known);
}

function throwOnNewer(applied: readonly string[], known: readonly string[]): void {
  const newer = applied.filter((name) => !known.includes(name) && isContracting(name));
  if (newer.length === 0) return;
  throw new NewerSchemaError(
    `The database has ${newer.join(', ')}, which this release does not know and which took something away. Start the release that made it, or a newer one.`,
  );
}

/** A migration whose name says so takes away what the releases since the one before it no longer need. */
function isContracting(name: string): boolean {
  return /^\d+_contract_/.test(name);
}

async function compare(url: string, directory: string): Promise<{ applied: string[]; known: string[] }> {
  const files = await readdir(directory);
  const known = files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .toSorted();
  const client = new PrimaryClient({
    connectionString: await findPrimary(url),
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  await client.connect();
  try {
    const table = await client.query('SELECT to_regclass($1) AS oid', [migrationsTable]);
    if (table.rows[0]?.oid === null) return { applied: [], known };
    const rows = await client.query<{ name: string }>(`SELECT name FROM ${migrationsTable} ORDER BY id`);
    return { applied: rows.rows.map(({ name }) => name), known };
  } finally {
    await client.end();
  }
}
