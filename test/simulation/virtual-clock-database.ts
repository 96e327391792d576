import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client, type Pool } from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { createPool } from '../../src/db/pool.ts';

/** A migrated database whose clock is ours to set. */
export interface VirtualClockDatabase {
  readonly pool: Pool;
  /** Runs a call at that moment, in milliseconds since the epoch. */
  at<Answer>(now: number, call: () => Promise<Answer>): Promise<Answer>;
  clear(): Promise<void>;
  drop(): Promise<void>;
}

/**
 * `clock_timestamp()` and `now()` of Postgres, but they say what the session was told. They stand before those of
 * pg_catalog in the search path, so that migrations and statements find them without knowing.
 */
const clockSql = `
  CREATE SCHEMA virtual;
  CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT to_timestamp(coalesce(current_setting('virtual.now', true)::float8, 0) / 1000) $$;
  CREATE FUNCTION virtual.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT to_timestamp(coalesce(current_setting('virtual.now', true)::float8, 0) / 1000) $$;`;

/** One connection: its session carries the clock. */
export async function createVirtualClockDatabase(): Promise<VirtualClockDatabase> {
  const serverUrl = inject('databaseUrl');
  const name = `simulation_${randomBytes(6).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await execute(serverUrl, `CREATE DATABASE ${name}`);
  await execute(url.href, `${clockSql} ALTER DATABASE ${name} SET search_path = virtual, pg_catalog, public`);
  await migrate({ url: url.href, directory: join(import.meta.dirname, '../../migrations'), log: () => undefined });
  const settings = { connectionsMax: 1, name: 'simulation', statementTimeoutMs: 10_000, onError: () => undefined };
  const pool = createPool({ url: url.href, ...settings });
  const empty = await emptyingSql(pool);
  let toldAt: number | undefined;
  return {
    pool,
    async at(now, call) {
      if (now !== toldAt)
        await pool.query({
          name: 'tell_time',
          text: `SELECT set_config('virtual.now', $1, false)`,
          values: [String(now)],
        });
      toldAt = now;
      return await call();
    },
    async clear() {
      await pool.query(empty);
    },
    async drop() {
      await pool.end();
      await execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

const kept = ['tenants', 'budgets', 'signing_keys', 'spillway_migrations'];
const first = ['assets', 'attempts'];

/** Rows only: to truncate a score of tables takes longer than a run. */
async function emptyingSql(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname IN ('virtual', 'public')`,
  );
  const others = rows.map(({ name }) => name).filter((name) => ![...kept, ...first].includes(name));
  return [...first, ...others].map((table) => `DELETE FROM ${table}`).join('; ');
}

async function execute(url: string, statements: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statements);
  } finally {
    await client.end();
  }
}
