import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrate } from '../../src/db/migrate.ts';

const migrations = join(import.meta.dirname, '../../migrations');

/** A migrated database that those of the tests are copies of: to migrate each of a hundred anew takes a minute in all. */
export async function makeTemplate(serverUrl: string): Promise<string> {
  const name = `template_${randomBytes(8).toString('hex')}`;
  await onServer(serverUrl, `CREATE DATABASE ${name}`);
  await migrate({ url: databaseUrl(serverUrl, name), directory: migrations, log: () => undefined });
  return name;
}

export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

export async function onServer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
