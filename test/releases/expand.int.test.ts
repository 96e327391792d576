import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { recordedReleases, type SchemaSnapshot, takeSnapshot, unprepared } from './snapshot.ts';

/** A process of the release before goes on, starts and stops beside this one's: what it counts on has to be there. */
let database: TestDatabase;
let now: SchemaSnapshot;
beforeAll(async () => {
  database = await createTestDatabase();
  now = await takeSnapshot(database.pool);
});
afterAll(async () => await database.drop());

/** Looser than before, which whoever knew the tighter one can live with. Each with its reason. */
const loosened: Readonly<Record<string, string>> = {};

describe.each(recordedReleases())('what release $release counts on', ({ schema, statements }) => {
  test('each of its statements can still be sent', async () => {
    expect(statements.length).toBeGreaterThan(100);
    const client = await database.pool.connect();
    try {
      expect(await unprepared(client, statements)).toEqual([]);
    } finally {
      client.release();
    }
  });

  test('its columns and functions are what they were', () => {
    expect(differences(schema.columns, now.columns)).toEqual([]);
    expect(differences(schema.functions, now.functions)).toEqual([]);
  });

  test('a column that it does not know needs no value from it', () => {
    const itsTables = new Set(Object.keys(schema.columns).map(tableOf));
    const demanding = Object.entries(now.columns).filter(
      ([name, what]) => itsTables.has(tableOf(name)) && !(name in schema.columns) && what.endsWith(' required'),
    );
    expect(demanding).toEqual([]);
  });

  test('nothing is asserted of its tables that it did not know of', () => {
    const itsTables = new Set(Object.keys(schema.columns).map(tableOf));
    const added = Object.entries(now.constraints).filter(
      ([name, what]) => itsTables.has(tableOf(name)) && schema.constraints[name] !== what && !(name in loosened),
    );
    // A constraint of a column that the release does not know is never met by what it writes.
    expect(added.filter(([, what]) => !mentionsOnlyNew(what, schema))).toEqual([]);
  });
});

function differences(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.entries(before).flatMap(([name, what]) =>
    after[name] === what ? [] : [`${name}: ${what} is now ${after[name] ?? 'gone'}`],
  );
}

function tableOf(name: string): string {
  return name.slice(0, name.indexOf('.'));
}

function mentionsOnlyNew(what: string, schema: SchemaSnapshot): boolean {
  const known = new Set(Object.keys(schema.columns).map((name) => name.slice(name.indexOf('.') + 1)));
  const words = what.replaceAll(/'[^']*'/g, '').match(/\b[a-z_]+\b/g) ?? [];
  return !words.some((word) => known.has(word));
}

describe('such a change is found', () => {
  const broken: readonly { readonly what: string; readonly sql: string; readonly found: RegExp }[] = [
    { what: 'a column that is gone', sql: 'ALTER TABLE jobs DROP COLUMN route CASCADE', found: /jobs\.route: .* gone/ },
    {
      what: 'a column of another type',
      sql: 'ALTER TABLE jobs ALTER COLUMN model TYPE varchar(10)',
      found: /jobs\.model/,
    },
    {
      what: 'a function that takes more',
      sql: `DROP FUNCTION settle_job; CREATE FUNCTION settle_job(job_id text) RETURNS text LANGUAGE sql AS 'SELECT job_id'`,
      found: /settle_job/,
    },
  ];
  const last = recordedReleases().at(-1);

  test.each(broken)('$what', async ({ sql, found }) => {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(sql);
      const after = await takeSnapshot(client);
      const told = [
        ...differences(last?.schema.columns ?? {}, after.columns),
        ...differences(last?.schema.functions ?? {}, after.functions),
      ];
      expect(told.join('\n')).toMatch(found);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('a statement that names what is not there', async () => {
    expect(await unprepared(database.pool, ['SELECT nothing_of_the_kind FROM jobs'])).toEqual([
      expect.stringContaining('nothing_of_the_kind'),
    ]);
  });
});
