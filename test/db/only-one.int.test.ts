import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOnlyOne } from '../../src/db/only-one.ts';
import { createPool } from '../../src/db/pool.ts';
import { openProxy } from '../api/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => await database.drop());

test.concurrent('a machine that vanishes without a word loses the task within seconds, not when TCP gives up', async ({
  expect,
}) => {
  const url = new URL(database.url);
  const proxy = await openProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const lost = createPool({ url: url.href, connectionsMax: 1, name: 'lost', onError: () => undefined });
  let begun = false;
  let end = (): void => undefined;
  const holding = asOnlyOne(lost, 'drains', async () => {
    begun = true;
    await new Promise<void>((resolve) => (end = resolve));
  });
  try {
    await until('the other one has it', () => begun);
    const take = async (): Promise<boolean> => await asOnlyOne(database.pool, 'drains', async () => undefined);
    expect(await take()).toBe(false);
    proxy.set('silent');
    await until('the task is free', take);
  } finally {
    end();
    await Promise.allSettled([holding]);
    await Promise.allSettled([lost.end(), proxy.close()]);
  }
});

test.concurrent('one that works for longer than that keeps it', async ({ expect }) => {
  const now = async (): Promise<number> => {
    const { rows } = await database.pool.query<{ at: number }>('SELECT extract(epoch FROM now())::float8 AS at');
    return rows[0]?.at ?? 0;
  };
  const startedAt = await now();
  await asOnlyOne(database.pool, 'refunds', async () => {
    await until('longer than a silence may last', async () => {
      expect(await asOnlyOne(database.pool, 'refunds', async () => undefined)).toBe(false);
      return (await now()) - startedAt > 11;
    });
  });
});

test('its transaction keeps nothing dead: others may vacuum meanwhile', async () => {
  await asOnlyOne(database.pool, 'sweeper', async () => {
    const { rows } = await database.pool.query(
      `SELECT backend_xmin, backend_xid FROM pg_stat_activity JOIN pg_locks USING (pid)
       WHERE locktype = 'advisory' AND datname = current_database()`,
    );
    expect(rows).toEqual([{ backend_xmin: null, backend_xid: null }]);
  });
});
