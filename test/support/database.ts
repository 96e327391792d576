import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { inject } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { databaseUrl, dropDatabase, onServer } from './template-database.ts';

export interface TestDatabase {
  readonly url: string;
  readonly pool: Pool;
  drop(): Promise<void>;
}

/** A fresh, migrated database on the server of the run: each test file has its own, so that files run side by side. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('databaseUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${inject('templateDatabase')}`);
  const url = databaseUrl(serverUrl, name);
  const pool = createPool({
    url,
    connectionsMax: 10,
    name: 'test',
    statementTimeoutMs: 10_000,
    onError: () => undefined,
  });
  // Secrets are each deployment's own, and were copied with the rest.
  await pool.query(`UPDATE signing_keys SET secret = sha256(secret || convert_to(current_database(), 'UTF8'))`);
  return {
    url,
    pool,
    async drop() {
      await pool.end();
      await dropDatabase(serverUrl, name);
    },
  };
}
