import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from './log.ts';
import { runCommand } from './processes.ts';
import { databases, readPostgresUrl } from './temporal-server-config.ts';

export interface SchemaOptions {
  readonly sqlTool: string;
  /** Of an account that may create databases. */
  readonly postgresUrl: string;
  /** The server's own, for the note that a database is being made. */
  readonly directory: string;
  readonly log: Log;
}

const toolMsMax = 120_000;
/** Postgres' code for a database that is not there. */
const noDatabaseCode = '3D000';

/** Temporal's tool has the schema built in: both databases are made where they lack, or brought up to its version. */
export async function applyTemporalSchema(options: SchemaOptions): Promise<void> {
  await applySchema(options, { schema: 'temporal', database: databases.main });
  await applySchema(options, { schema: 'visibility', database: databases.visibility });
}

interface Target {
  readonly schema: 'temporal' | 'visibility';
  readonly database: string;
}

/**
 * The tool commits statement by statement, and one that was cut short in the first version of the schema can't go on:
 * its rows are there and its note of them is not. So a database is made under a note of ours, and one that a killed
 * start left with the note is made anew. No server has run on it.
 */
async function applySchema(options: SchemaOptions, { schema, database }: Target): Promise<void> {
  const making = join(options.directory, `${database}.making`);
  const update = ['update-schema', '--schema-name', `postgresql/v12/${schema}`];
  const halfMade = await exists(making);
  if (!halfMade && (await updates(options, { database, args: update }))) return;
  options.log('Creating a database for Temporal', { database });
  await writeFile(making, '');
  const steps = [['drop-database', '--force'], ['create-database'], ['setup-schema', '--version', '0.0'], update];
  for (const step of steps) await runTool(options, { database, args: step });
  await rm(making);
}

interface Call {
  readonly database: string;
  readonly args: readonly string[];
}

/** False where there is no such database; every other failure is one. */
async function updates(options: SchemaOptions, call: Call): Promise<boolean> {
  try {
    await runTool(options, call);
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes(noDatabaseCode)) return false;
    throw error;
  }
}

async function runTool({ sqlTool, postgresUrl }: SchemaOptions, { database, args }: Call): Promise<void> {
  const { host, port, user, password } = readPostgresUrl(postgresUrl);
  const access = ['--plugin', 'postgres12', '--endpoint', host, '--port', port, '--user', user, '--database', database];
  const environment = { SQL_PASSWORD: password };
  await runCommand({ command: sqlTool, args: [...access, ...args], environment, timeoutMs: toolMsMax });
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
