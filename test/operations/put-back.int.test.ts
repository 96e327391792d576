import { Client, Connection } from '@temporalio/client';
import { v7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { generateVideoType } from '../../src/contracts/generate-video.ts';
import { readWatermark } from '../../src/db/ledger/reconcile.ts';
import { surveyLost } from '../../src/operations/ahead.ts';
import { mendAfterRestore, type MendReport } from '../../src/operations/mend-after-restore.ts';
import { refusePutBack, restoredMark } from '../../src/operations/put-back.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createNamespace } from '../support/temporal-namespace.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let connection: Connection;
let client: Client;
let unread: Error[];
beforeAll(async () => {
  const address = inject('temporalAddress');
  [database, connection] = await Promise.all([createTestDatabase(), Connection.connect({ address })]);
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
  // It runs, nobody has its job, and its history says nothing that can be understood.
  await client.workflow.start(generateVideoType, { workflowId: `video_${v7()}`, taskQueue: 'nobody', args: [null] });
  await until('it is listed', async () => (await client.workflow.count()).count === 1);
});
afterAll(async () => {
  await connection.close();
  await database.drop();
});
beforeEach(() => {
  unread = [];
});

const refuse = (from: Client): Promise<void> =>
  refusePutBack(from, {
    db: database.pool,
    daysKept: 90,
    patienceMs: 0,
    onUnread: (error) => void unread.push(error),
  });

describe('a worker', () => {
  test('does not start while Temporal is ahead of the database', async () => {
    await expect(refuse(client)).rejects.toThrow('ops -- after-restore --dry-run');
    expect(unread).toEqual([]);
  });

  test('starts where the list can not be read, and says so', async () => {
    await refuse(new Client({ connection, namespace: 'there-is-no-such-namespace' }));
    expect(unread).toHaveLength(1);
  });
});

describe('mending', () => {
  const mend = async (unreadExpected: number): Promise<MendReport> =>
    await mendAfterRestore({
      db: database.pool,
      client,
      providers: new Map(),
      store: createLocalObjectStore('nowhere'),
      clock: Date.now,
      areVideosGone: false,
      isDryRun: false,
      unreadExpected,
      onProgress: () => undefined,
    });

  test('begins with how many workflows nobody knows the job of', async () => {
    expect(await surveyLost({ db: database.pool, client })).toEqual({ compared: 1, lost: 1, running: 1 });
  });

  test('is not done while a history can not be read, and lets no worker start', async () => {
    expect(await mend(0)).toMatchObject({ compared: 1, unread: [{ because: expect.any(String) }], isWhole: false });
    expect(await readWatermark(database.pool, restoredMark)).toBeUndefined();
    await expect(refuse(client)).rejects.toThrow('after-restore');
  });

  test('is done once somebody has said how many those are', async () => {
    expect(await mend(1)).toMatchObject({ isWhole: true });
    expect(await readWatermark(database.pool, restoredMark)).toBeInstanceOf(Date);
    await refuse(client);
    expect(unread).toEqual([]);
  });
});
