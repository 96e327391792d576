import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { assertSchemaIsCurrent, migrate, NewerSchemaError } from '../../src/db/migrate.ts';
import { until } from '../support/until.ts';

const migrations = join(import.meta.dirname, '../../migrations');
let directory: string;
let name: string;
let url: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-migrations-'));
  for (const file of await readdir(migrations)) await copyFile(join(migrations, file), join(directory, file));
  name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(inject('databaseUrl'), `CREATE DATABASE ${name}`);
  const address = new URL(inject('databaseUrl'));
  address.pathname = `/${name}`;
  url = address.href;
});
afterEach(async () => {
  await onServer(inject('databaseUrl'), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await rm(directory, { recursive: true });
});

async function onServer(address: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: address });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

const migrateNow = () => migrate({ url, directory, log: () => undefined });
const add = (file: string, sql: string) => writeFile(join(directory, file), `-- Up Migration\n\n${sql}\n`);
const applied = async () =>
  (await onServer(url, 'SELECT name FROM spillway_migrations ORDER BY id')).map((row) => row['name']);
const known = async () => (await readdir(migrations)).map((file) => file.replace('.sql', '')).toSorted();

test('an empty database gets everything, in order; again changes nothing', async () => {
  await migrateNow();
  expect(await applied()).toEqual(await known());
  await migrateNow();
  expect(await applied()).toEqual(await known());
  await expect(assertSchemaIsCurrent(url, directory)).resolves.toBeUndefined();
});

test('a later release adds what is new, and only that', async () => {
  await migrateNow();
  await onServer(url, `INSERT INTO tenants (id) VALUES ('kept')`);
  await add('0900_later.sql', 'CREATE TABLE later (id integer);');
  await migrateNow();
  expect(await applied()).toEqual([...(await known()), '0900_later']);
  expect(await onServer(url, `SELECT id FROM tenants WHERE id = 'kept'`)).toHaveLength(1);
});

test('racers queue: each of them finds the schema made', async () => {
  await Promise.all(Array.from({ length: 5 }, migrateNow));
  expect(await applied()).toEqual(await known());
});

test('one that has to wait for a lock keeps nobody waiting behind it for long, and gets there in the end', async () => {
  await migrateNow();
  await add('0900_later.sql', 'ALTER TABLE tenants ADD COLUMN later integer;');
  const reader = new Client({ connectionString: url });
  await reader.connect();
  try {
    // As a dump does, for hours.
    await reader.query('BEGIN; SELECT count(*) FROM tenants');
    const migrating = migrateNow();
    await until('the migration waits', async () => {
      const waiting = await onServer(
        url,
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return waiting.length > 0;
    });
    expect(await onServer(url, 'SELECT count(*) FROM tenants')).toHaveLength(1);
    expect(await applied()).not.toContain('0900_later');
    await reader.query('COMMIT');
    await migrating;
  } finally {
    await reader.end();
  }
  expect(await applied()).toContain('0900_later');
});

test('one that fails leaves nothing of itself, and those before it, from where the next run goes on', async () => {
  await add('0900_fine.sql', 'CREATE TABLE fine (id integer);');
  await add('0901_broken.sql', 'CREATE TABLE half (id integer); CREATE TABLE broken (id nothing_of_the_kind);');
  await expect(migrateNow()).rejects.toThrow('nothing_of_the_kind');
  expect(await applied()).toEqual([...(await known()), '0900_fine']);
  expect(await onServer(url, `SELECT relname FROM pg_class WHERE relname IN ('fine', 'half')`)).toEqual([
    { relname: 'fine' },
  ]);
  await add('0901_broken.sql', 'CREATE TABLE half (id integer);');
  await migrateNow();
  expect(await applied()).toEqual([...(await known()), '0900_fine', '0901_broken']);
});

test('a lock that one has taken is not kept while the next ones wait for theirs', async () => {
  await migrateNow();
  await add('0900_first.sql', 'ALTER TABLE tickets ADD COLUMN later integer;');
  await add('0901_second.sql', 'ALTER TABLE tenants ADD COLUMN later integer;');
  const reader = new Client({ connectionString: url });
  await reader.connect();
  try {
    await reader.query('BEGIN; SELECT count(*) FROM tenants');
    const migrating = migrateNow();
    await until('the first is there', async () => (await applied()).includes('0900_first'));
    const kept = `SELECT 1 FROM pg_locks WHERE relation = 'tickets'::regclass AND mode = 'AccessExclusiveLock'`;
    expect(await onServer(url, kept)).toEqual([]);
    await reader.query('COMMIT');
    await migrating;
  } finally {
    await reader.end();
  }
});

test('an index is built beside those who write: they are waited for, and wait for nobody', async () => {
  await migrateNow();
  await onServer(url, 'CREATE TABLE line (id integer)');
  await add(
    '0900_index.sql',
    '-- Without a transaction\nDROP INDEX CONCURRENTLY IF EXISTS by_id;\nCREATE INDEX CONCURRENTLY by_id ON line (id);',
  );
  await add('0901_after.sql', 'CREATE TABLE after_it (id integer);');
  const writer = new Client({ connectionString: url });
  await writer.connect();
  try {
    await writer.query('BEGIN; INSERT INTO line VALUES (1)');
    const migrating = migrateNow();
    await until('the index waits', async () => {
      const sql = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX CONCURRENTLY by_id%' AND wait_event_type = 'Lock'`;
      return (await onServer(url, sql)).length > 0;
    });
    await onServer(url, 'SET lock_timeout = 5000; INSERT INTO line VALUES (2)');
    await writer.query('COMMIT');
    await migrating;
  } finally {
    await writer.end();
  }
  expect(await applied()).toContain('0901_after');
  expect(await onServer(url, `SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass`)).toEqual([
    { indisvalid: true },
  ]);
});

test('an index that was cut short is built anew', async () => {
  await migrateNow();
  await onServer(url, 'CREATE TABLE line AS SELECT 1 AS id FROM generate_series(1, 2)');
  // Its rows are alike, so it fails and leaves what it has: not valid.
  const build = 'DROP INDEX CONCURRENTLY IF EXISTS by_id;\nCREATE UNIQUE INDEX CONCURRENTLY by_id ON line (id);';
  await add('0900_index.sql', `-- Without a transaction\n${build}`);
  await expect(migrateNow()).rejects.toThrow('by_id');
  expect(await applied()).not.toContain('0900_index');
  await onServer(url, 'DELETE FROM line WHERE ctid IN (SELECT ctid FROM line LIMIT 1)');
  await migrateNow();
  expect(await onServer(url, `SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass`)).toEqual([
    { indisvalid: true },
  ]);
});

const fromTheFuture = (name: string) =>
  onServer(url, `INSERT INTO spillway_migrations (name, run_on) VALUES ('${name}', now())`);

test('what a newer release has only added is no reason not to start, or to run the migrations of this one again', async () => {
  await migrateNow();
  await fromTheFuture('0950_from_the_future');
  await expect(assertSchemaIsCurrent(url, directory)).resolves.toBeUndefined();
  await migrateNow();
  expect(await applied()).toEqual([...(await known()), '0950_from_the_future']);
});

test('a migration that should have come before one that is there is refused: its author has to number it anew', async () => {
  await migrateNow();
  await fromTheFuture('0950_from_the_future');
  await add('0900_ours.sql', 'CREATE TABLE ours (id integer);');
  await expect(migrateNow()).rejects.toThrow('0900_ours');
  expect(await onServer(url, `SELECT 1 FROM pg_class WHERE relname = 'ours'`)).toEqual([]);
});

test('a schema that a newer release has taken something from is refused, and left as it is', async () => {
  await migrateNow();
  await fromTheFuture('0950_contract_from_the_future');
  await add('0900_ours.sql', 'CREATE TABLE ours (id integer);');
  for (const refused of [migrateNow, () => assertSchemaIsCurrent(url, migrations)]) {
    await expect(refused()).rejects.toThrow(NewerSchemaError);
    await expect(refused()).rejects.toThrow('0950_contract_from_the_future');
  }
  expect(await onServer(url, `SELECT 1 FROM pg_class WHERE relname = 'ours'`)).toEqual([]);
});

test('a process that finds the schema behind says what is missing, and what to run', async () => {
  await expect(assertSchemaIsCurrent(url, directory)).rejects.toThrow((await known()).join(', '));
  await migrateNow();
  await add('0900_later.sql', 'CREATE TABLE later (id integer);');
  await expect(assertSchemaIsCurrent(url, directory)).rejects.toThrow(
    'The database lacks 0900_later. Run `npm run migrate` first.',
  );
});
