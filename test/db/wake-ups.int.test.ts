import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createWakeUps, listenToWakeUps, type Listener } from '../../src/db/wake-ups.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { intercept } from './intercept.ts';

let database: TestDatabase;
const listeners: Listener[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

const backends = async () => {
  const { rows } = await database.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'spillway-wake-ups' AND query LIKE 'LISTEN%' AND state = 'idle'`,
  );
  return rows.map(({ pid }) => pid);
};

/** A listener that is listening. */
async function listen(): Promise<{ heard: string[]; listener: Listener }> {
  const heard: string[] = [];
  const before = (await backends()).length;
  const listener = listenToWakeUps(database.url, (kinds) => heard.push([...kinds].toSorted().join()));
  listeners.push(listener);
  await expect.poll(async () => (await backends()).length).toBe(before + 1);
  return { heard, listener };
}

test('any number of sends within a moment are one notification', async () => {
  const { heard } = await listen();
  const wakeUps = createWakeUps(database.pool);
  for (let time = 0; time < 100; time += 1) wakeUps.send(time % 2 === 0 ? 'grant' : 'mail');
  await expect.poll(() => heard).toEqual(['grant,mail']);
  // The next moment is another one.
  wakeUps.send('mail');
  await expect.poll(() => heard).toEqual(['grant,mail', 'mail']);
});

test('every process hears', async () => {
  const both = [await listen(), await listen()];
  createWakeUps(database.pool).send('grant');
  for (const { heard } of both) await expect.poll(() => heard).toEqual(['grant']);
});

test('a wake-up that can not be sent is dropped, and the next one goes', async () => {
  const { heard } = await listen();
  let tries = 0;
  const failing = intercept(database.pool, async () => {
    tries += 1;
    if (tries === 1) await database.pool.query('SELECT pg_terminate_backend(pg_backend_pid())');
  });
  const wakeUps = createWakeUps(failing);
  wakeUps.send('grant');
  await expect.poll(() => tries).toBe(1);
  wakeUps.send('mail');
  await expect.poll(() => heard).toEqual(['mail']);
});

test('a listener whose connection breaks listens again', async () => {
  const { heard } = await listen();
  const [broken] = await backends();
  await database.pool.query('SELECT pg_terminate_backend($1)', [broken]);
  await expect.poll(async () => (await backends()).filter((pid) => pid !== broken).length, { timeout: 10_000 }).toBe(1);
  createWakeUps(database.pool).send('mail');
  await expect.poll(() => heard).toEqual(['mail']);
});

test('one that is closed stays closed', async () => {
  const { listener } = await listen();
  await listener.close();
  await expect.poll(backends).toEqual([]);
  await listener.close();
});
