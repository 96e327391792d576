import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lintMigration } from './lint-migration.ts';
import { recordedReleases } from './snapshot.ts';

const directory = join(import.meta.dirname, '../../migrations');
/** Until then nothing had been released, so that nobody was in the way. */
const rollingFrom = '0018';

const files = readdirSync(directory).filter((file) => file.endsWith('.sql') && file >= rollingFrom);

test('there are migrations to look at', () => {
  expect(files).toContain('0018_operator_actions.sql');
});

test('every release that the changelog names has kept what it counts on, and so has the one of package.json', () => {
  const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
  const { version }: { readonly version: string } = JSON.parse(read('package.json'));
  const named = [...read('CHANGELOG.md').matchAll(/^## \[(\d+\.\d+\.\d+)\]/gm)].map(([, release = '']) => release);
  const kept = recordedReleases().map(({ release }) => release);
  expect(kept).toEqual(expect.arrayContaining([...named, version]));
});

test.each(files)('%s only adds: processes of the release before go on, start and stop beside it', (file) => {
  expect(lintMigration(file, readFileSync(join(directory, file), 'utf8'))).toEqual([]);
});

describe('found is', () => {
  const bad: readonly (readonly [rule: string, sql: string])[] = [
    ['drop', 'DROP TABLE jobs;'],
    ['drop', 'ALTER TABLE jobs DROP COLUMN model;'],
    ['drop', 'DROP FUNCTION settle_job(text);'],
    ['rename', 'ALTER TABLE jobs RENAME COLUMN model TO name;'],
    ['type', 'ALTER TABLE jobs ALTER COLUMN model TYPE varchar(20);'],
    ['not null', 'ALTER TABLE jobs ALTER COLUMN model SET NOT NULL;'],
    ['required column', 'ALTER TABLE jobs ADD COLUMN colour text NOT NULL;'],
    ['required column', 'ALTER TABLE jobs\n  ADD COLUMN one int NOT NULL DEFAULT 1,\n  ADD COLUMN two int NOT NULL;'],
    ['rewrite', 'ALTER TABLE jobs ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp();'],
    ['constraint', `ALTER TABLE jobs ADD CONSTRAINT is_short CHECK (length(model) < 20);`],
    ['index', 'CREATE INDEX jobs_by_colour ON jobs (colour);'],
    ['rows', `UPDATE jobs SET model = 'x';`],
    ['rows', 'TRUNCATE jobs;'],
  ];

  test.each(bad)('%s: %s', (rule, sql) => {
    expect(lintMigration('0900_new.sql', `-- Up Migration\n\n${sql}\n`)).toEqual([
      expect.stringContaining(`0900_new.sql (${rule}): `),
    ]);
  });

  test.each(bad)('%s, which somebody has looked at: %s', (rule, sql) => {
    expect(lintMigration('0900_new.sql', `-- Reviewed (${rule}): the table has a dozen rows.\n${sql}\n`)).toEqual([]);
    expect(lintMigration('0900_new.sql', `-- Reviewed (${rule}): \n${sql}\n`)).toHaveLength(1);
    expect(
      lintMigration('0900_new.sql', `-- Reviewed (something else): the table has a dozen rows.\n${sql}\n`),
    ).toHaveLength(1);
  });

  test.each(bad)('%s nowhere but in a migration that calls itself contracting: %s', (_rule, sql) => {
    expect(lintMigration('0900_contract_old.sql', sql)).toEqual([]);
    expect(lintMigration('0900_old_contract_.sql', sql)).toHaveLength(1);
  });
});

describe('of transactions', () => {
  const lint = (sql: string) => lintMigration('0900_new.sql', `-- Up Migration\n${sql}\n`);
  const both = 'DROP INDEX CONCURRENTLY IF EXISTS by_colour;\nCREATE INDEX CONCURRENTLY by_colour ON jobs (colour);';

  test('an index is built under no lock of an ALTER TABLE, whoever has looked at it', () => {
    const alter = 'ALTER TABLE jobs ADD COLUMN colour text;\nCREATE INDEX by_colour ON jobs (colour);';
    expect(lint(`-- Reviewed (index): the table has a dozen rows.\n${alter}`)).toEqual([
      expect.stringContaining('0900_new.sql (transaction): CREATE INDEX by_colour'),
    ]);
    expect(lint(`CREATE TABLE jobs (id int);\n${alter}`)).toEqual([]);
  });

  test('what is built beside those who write has a file without one', () => {
    expect(lint(both)).toHaveLength(2);
    expect(lint(`-- Without a transaction\n${both}`)).toEqual([]);
  });

  test('a file without one can be repeated', () => {
    const [drop = '', create = ''] = both.split('\n');
    expect(lint(`-- Without a transaction\n${create}`)).toEqual([expect.stringContaining('by_colour may be there')]);
    expect(lint(`-- Without a transaction\n${drop.replace('by_', 'of_')}\n${create}`)).toHaveLength(1);
    expect(lint('-- Without a transaction\nCREATE TABLE colours (id int);')).toEqual([
      expect.stringContaining(`can't be repeated`),
    ]);
  });
});

test.each([
  [
    'a table of its own',
    'CREATE TABLE colours (id int);\nCREATE INDEX by_id ON colours (id);\nUPDATE colours SET id = 1;',
  ],
  ['an optional column', 'ALTER TABLE jobs ADD COLUMN colour text, ADD COLUMN shade int NOT NULL DEFAULT 0;'],
  [
    'what a function does',
    'CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS $$ DELETE FROM jobs; DROP TABLE jobs $$;',
  ],
  ['what a comment says', `-- DROP TABLE jobs;\nSELECT 'DROP TABLE jobs';`],
  [
    'a constraint that is checked later',
    'ALTER TABLE jobs ADD CONSTRAINT is_short CHECK (length(model) < 20) NOT VALID;',
  ],
])('%s is fine', (_what, sql) => {
  expect(lintMigration('0900_new.sql', sql)).toEqual([]);
});
