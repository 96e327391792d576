import { readdir } from 'node:fs/promises';
import { runner } from 'node-pg-migrate';
import { Client } from 'pg';

/** The database was migrated by a newer release than this one. */
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
 * Brings the schema up to this release, forward only, under an advisory lock of the runner's, so that racers queue.
 * Refuses a schema that a newer release has touched.
 */
export async function migrate({ url, directory, log }: MigrateSettings): Promise<void> {
  await refuseNewerSchema(url, directory);
  await runner({
    databaseUrl: url,
    dir: directory,
    direction: 'up',
    migrationsTable,
    checkOrder: true,
    singleTransaction: true,
    advisoryLockMode: 'wait',
    verbose: false,
    log,
  });
}

/** Throws unless every migration of this release, and none of a newer one, has run. */
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
  const newer = applied.filter((name) => !known.includes(name));
  if (newer.length === 0) return;
  throw new NewerSchemaError(
    `The database has ${newer.join(', ')}, which this release does not know. Start the release that made it, or a newer one.`,
  );
}

async function compare(url: string, directory: string): Promise<{ applied: string[]; known: string[] }> {
  const files = await readdir(directory);
  const known = files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .toSorted();
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 10_000 });
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
