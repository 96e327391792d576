import { afterAll, beforeAll, expect, test } from 'vitest';
import { findSpendCap, setSpendCap, upsertPools } from '../../../src/db/scheduler/pools.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});

const poolRows = async (): Promise<unknown[]> => {
  const { rows } = await database.pool.query(
    `SELECT id, provider, outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax" FROM pools ORDER BY id`,
  );
  return rows;
};

test('the pools are as the catalogue had them last, whatever was granted meanwhile', async () => {
  const [bronze, other] = ['bronze', 'other'].map((id) => ({
    id,
    provider: 'vendor',
    outstandingMax: 3,
    perMinuteMax: 10,
  }));
  if (!bronze || !other) throw new Error('no pools');
  await upsertPools(database.pool, [other, bronze]);
  expect(await poolRows()).toEqual([bronze, other]);
  await upsertPools(database.pool, [{ ...bronze, outstandingMax: 7 }]);
  expect(await poolRows()).toEqual([{ ...bronze, outstandingMax: 7 }, other]);
});

test('a target has the limits that the catalogue had last, and what is written of it otherwise stays', async () => {
  const targetRows = async () => {
    const { rows } = await database.pool.query(
      `SELECT name, outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax", admits FROM targets ORDER BY name`,
    );
    return rows;
  };
  const pool = { id: 'bronze', provider: 'vendor', outstandingMax: 3, perMinuteMax: 10 };
  const free = { name: 'free', outstandingMax: null, perMinuteMax: null };
  const bound = { name: 'bound', outstandingMax: 2, perMinuteMax: 5 };
  await upsertPools(database.pool, [{ ...pool, targets: [free, bound] }]);
  await database.pool.query('UPDATE targets SET admits = 0');
  expect(await targetRows()).toEqual([
    { ...bound, admits: 0 },
    { ...free, admits: 0 },
  ]);
  await upsertPools(database.pool, [
    {
      ...pool,
      targets: [
        { ...free, perMinuteMax: 7 },
        { ...free, name: 'bound' },
      ],
    },
  ]);
  expect(await targetRows()).toEqual([
    { ...free, name: 'bound', admits: 0 },
    { ...free, perMinuteMax: 7, admits: 0 },
  ]);
});

test('the cap is what was set last; null is none', async () => {
  expect(await findSpendCap(database.pool)).toBeNull();
  await setSpendCap(database.pool, 12_500_000);
  expect(await findSpendCap(database.pool)).toBe(12_500_000);
  await setSpendCap(database.pool, null);
  expect(await findSpendCap(database.pool)).toBeNull();
});
