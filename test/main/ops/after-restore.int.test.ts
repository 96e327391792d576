import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { isFenced, lowerFence, raiseFence } from '../../../src/db/ledger/restore-fence.ts';
import { asOnlyOne } from '../../../src/db/only-one.ts';
import { createPool } from '../../../src/db/pool.ts';
import { afterRestore } from '../../../src/main/ops/after-restore.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  const address = inject('temporalAddress');
  [database, connection] = await Promise.all([createTestDatabase(), Connection.connect({ address })]);
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
});
afterAll(async () => {
  await connection.close();
  await database.drop();
});

/** `meanwhile`: just after those who work were counted first. */
async function run(meanwhile: () => Promise<void> = async () => undefined): Promise<string> {
  const { config } = readConfig({});
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const temporal = async (): Promise<Client> => {
    await meanwhile();
    return client;
  };
  const flags = { by: 'ann', reason: 'a test' };
  const task = { pool: database.pool, config: { ...config, databaseUrl: database.url }, operands: [], say, note: say };
  await afterRestore({ ...task, temporal, flags }, async () => new Map());
  return said.join('\n');
}

test('a mend that was killed left its fence, and the next one takes it away when it is whole', async () => {
  await raiseFence(database.pool);
  expect(await run()).toContain('Workers may start');
  expect(await isFenced(database.pool)).toBe(false);
});

test('one that finds another under way changes nothing', async () => {
  await asOnlyOne(database.pool, 'restore', async () => {
    await expect(run()).rejects.toThrow('Another after-restore is under way');
  });
  expect(await isFenced(database.pool)).toBe(false);
});

test('a worker that has started since the first look is seen behind the fence, which it may not have seen', async () => {
  const worker = createPool({ url: database.url, connectionsMax: 1, name: 'worker', onError: () => undefined });
  const start = async (): Promise<void> => void (await worker.query('SELECT 1'));
  await expect(run(start)).rejects.toThrow('Stop every one of both first');
  expect(await isFenced(database.pool)).toBe(false);
  // The fence of a mend that was not whole stays where it was.
  await worker.end();
  await raiseFence(database.pool);
  const again = createPool({ url: database.url, connectionsMax: 1, name: 'worker', onError: () => undefined });
  await until('the first has gone', async () => {
    const { rows } = await database.pool.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'spillway-worker' AND datname = current_database()`,
    );
    return rows.length === 0;
  });
  await expect(run(async () => void (await again.query('SELECT 1')))).rejects.toThrow('Stop every one');
  expect(await isFenced(database.pool)).toBe(true);
  await again.end();
  await lowerFence(database.pool);
});
