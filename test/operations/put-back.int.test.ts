import { Client, Connection } from '@temporalio/client';
import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { generateVideoType } from '../../src/contracts/generate-video.ts';
import { readWatermark } from '../../src/db/ledger/reconcile.ts';
import { lowerFence, raiseFence } from '../../src/db/ledger/restore-fence.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { surveyLost } from '../../src/operations/ahead.ts';
import { mendAfterRestore, type MendReport } from '../../src/operations/mend-after-restore.ts';
import { refuseMending, refusePutBack, restoredMark } from '../../src/operations/put-back.ts';
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

const mend = async (unreadExpected: number, from = client): Promise<MendReport> =>
  await mendAfterRestore({
    db: database.pool,
    client: from,
    providers: new Map(),
    store: createLocalObjectStore('nowhere'),
    clock: Date.now,
    areVideosGone: false,
    isDryRun: false,
    unreadExpected,
    onProgress: () => undefined,
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

describe('while a restored database is mended', () => {
  beforeEach(() => raiseFence(database.pool));
  afterEach(() => lowerFence(database.pool));

  test('nobody starts, also where the list can not be read', async () => {
    await expect(refuse(new Client({ connection, namespace: 'there-is-no-such-namespace' }))).rejects.toThrow(
      'not all in it yet',
    );
    await expect(refuseMending(database.pool)).rejects.toThrow('run it again');
    await lowerFence(database.pool);
    await refuseMending(database.pool);
  });

  test('grants that come all the same are beyond all that may be pending, from its beginning on', async () => {
    const next = async (): Promise<bigint> => {
      const { rows } = await database.pool.query<{ next: string }>(
        `SELECT nextval(pg_get_serial_sequence('permits', 'grant_id'))::text AS next`,
      );
      return BigInt(rows[0]?.next ?? 0);
    };
    const before = await next();
    const unlisted = new Client({ connection, namespace: 'there-is-no-such-namespace' });
    await expect(mend(0, unlisted)).rejects.toThrow(/list|namespace/i);
    expect(await next()).toBeGreaterThan(before + BigInt(limits.grantsLeapt));
    // It has not come to its end.
    await expect(refuseMending(database.pool)).rejects.toThrow('run it again');
  });
});

describe('mending', () => {
  test('begins with how many workflows nobody knows the job of', async () => {
    expect(await surveyLost({ db: database.pool, client })).toEqual({ compared: 1, lost: 1, running: 1 });
  });

  test('is not done while a history can not be read, and lets no worker start', async () => {
    expect(await mend(0)).toMatchObject({ compared: 1, unread: [{ because: expect.any(String) }], isWhole: false });
    expect(await readWatermark(database.pool, restoredMark)).toBeUndefined();
    await expect(refuse(client)).rejects.toThrow('after-restore');
    await raiseFence(database.pool);
  });

  test('is done once somebody has said how many those are', async () => {
    expect(await mend(1)).toMatchObject({ isWhole: true });
    expect(await readWatermark(database.pool, restoredMark)).toBeInstanceOf(Date);
    await refuse(client);
    expect(unread).toEqual([]);
  });
});

test('a workflow whose job was pruned is not ahead, also where jobs are kept for longer since; one of today is', async () => {
  const [old, fresh] = ['video_01890a5d-ac96-774b-bcce-b302099a8057', `video_${v7()}`];
  const infos = [{ workflowId: old }];
  const list = async function* ({ query = '' }: { query?: string }) {
    if (query.includes('Completed')) yield* infos;
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its list is all that is asked of it.
  const completed = {
    withDeadline: async (_at: number, read: () => Promise<void>) => await read(),
    workflow: { list },
  } as unknown as Client;
  await expect(refuse(completed)).rejects.toThrow('ahead');
  await database.pool.query(
    `INSERT INTO pruned_usage (tenant, day, model, provider, phase) VALUES ('default', '2023-06-30', 'model', '', 'completed')`,
  );
  await refuse(completed);
  infos.push({ workflowId: fresh });
  await expect(refuse(completed)).rejects.toThrow(fresh);
});
