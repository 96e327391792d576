import * as fc from 'fast-check';
import { createHash, randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimRequests, deleteOldRequests, type RequestTry } from '../../../src/db/jobs/recent-requests.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const now = Date.now();
const windowMs = limits.inferredRetryMsMax;
const newId = (): string => `video_${v7()}`;
const newFingerprint = (): string => createHash('sha256').update(randomUUID()).digest('hex');

/** Tries of requests that are alike. Each is claimed by itself, in the order of the calls. */
function requests(tenant = 'default', fingerprint = newFingerprint()) {
  const tryOf = (retry: number, atMs: number): RequestTry => ({
    id: newId(),
    tenant,
    fingerprint,
    retry,
    receivedAt: now + atMs,
  });
  const claim = async (one: RequestTry): Promise<string> => (await claimAll([one]))[0] ?? '';
  return { tryOf, claim, send: (retry: number, atMs: number) => claim(tryOf(retry, atMs)) };
}

async function claimAll(tries: readonly RequestTry[]): Promise<readonly string[]> {
  const claimed = new Map((await claimRequests(database.pool, tries, windowMs)).map(({ id, job }) => [id, job]));
  return tries.map(({ id }) => claimed.get(id) ?? '');
}

describe('the tries of one request have one job', () => {
  test('as they come', async () => {
    const { send } = requests();
    const job = await send(0, 0);
    expect([await send(1, 600), await send(2, 1_700)]).toEqual([job, job]);
  });

  test('when the first is done with after its retry', async () => {
    const { send } = requests();
    const job = await send(1, 600);
    expect(await send(0, 0)).toBe(job);
    expect(await send(2, 1_700)).toBe(job);
  });

  test('in the opposite order', async () => {
    const { send } = requests();
    const job = await send(2, 1_700);
    expect([await send(1, 600), await send(0, 0)]).toEqual([job, job]);
  });

  test('when the first never came', async () => {
    const { send } = requests();
    const job = await send(1, 600);
    expect(await send(2, 1_700)).toBe(job);
  });

  test('in one batch, and when the batch is written again', async () => {
    const { tryOf } = requests();
    const batch = [tryOf(1, 600), tryOf(0, 0), tryOf(2, 1_700)];
    const jobs = await claimAll(batch);
    expect(new Set(jobs).size).toBe(1);
    expect(await claimAll(batch)).toEqual(jobs);
  });

  test('at the same time, on several connections', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { send } = requests();
      const jobs = await Promise.all([send(0, 0), send(1, 600), send(2, 1_700), send(3, 4_000)]);
      expect(new Set(jobs).size).toBe(1);
    }
  });

  test('whatever the clocks of two processes say, once the first is written', async () => {
    const { send } = requests();
    const job = await send(0, 5_000);
    expect(await send(1, 600)).toBe(job);
  });
});

describe('two requests that are alike have two jobs', () => {
  test('first tries, however close', async () => {
    const { tryOf } = requests();
    const jobs = await claimAll([tryOf(0, 0), tryOf(0, 0), tryOf(0, 1)]);
    expect(new Set(jobs).size).toBe(3);
  });

  test('and so have their retries', async () => {
    const { send } = requests();
    const firsts = [await send(0, 0), await send(0, 100)];
    const retries = [await send(1, 600), await send(1, 700)];
    expect(retries.toSorted()).toEqual(firsts.toSorted());
    const again = [await send(2, 1_600), await send(2, 1_700)];
    expect(again.toSorted()).toEqual(firsts.toSorted());
  });

  test('a retry belongs to the latest', async () => {
    const { send } = requests();
    await send(0, 0);
    const latest = await send(0, 60_000);
    expect(await send(1, 60_600)).toBe(latest);
  });

  test('a first try after a retry whose own first never came', async () => {
    const { send } = requests();
    const orphan = await send(1, 600);
    expect(await send(0, 5_000)).not.toBe(orphan);
  });

  test('two minutes later', async () => {
    const { send } = requests();
    const job = await send(0, 0);
    expect(await send(1, windowMs - 1_000)).toBe(job);
    expect(await send(2, windowMs * 2 + 1_000)).not.toBe(job);
  });

  test('of two tenants, or of two contents', async () => {
    const fingerprint = newFingerprint();
    const job = await requests('default', fingerprint).send(0, 0);
    expect(await requests('other', fingerprint).send(1, 600)).not.toBe(job);
    expect(await requests('default').send(1, 600)).not.toBe(job);
  });
});

test('as many jobs as requests, in whatever order their tries are written', async () => {
  // Requests one after the other, as a person sends them, each cut a few times; the order of writing is any.
  const history = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 0, max: 1e9 }), async (triesOf, seed) => {
      const { tryOf } = requests();
      const all = triesOf.flatMap((count, index) =>
        Array.from({ length: count }, (_, retry) => ({ index, one: tryOf(retry, index * 20_000 + retry * 1_000) })),
      );
      // Within a request any order; the requests themselves one after the other.
      const shuffled = all.toSorted((left, right) =>
        left.index === right.index
          ? ((left.one.retry * 7 + seed) % 5) - ((right.one.retry * 7 + seed) % 5)
          : left.index - right.index,
      );
      // Which of them it is of that are alike is more than a retry that overtakes its first try can tell.
      const jobs = new Set<string>();
      for (const { one } of shuffled) jobs.add((await claimAll([one]))[0] ?? '');
      expect(jobs.size).toBe(triesOf.length);
    }),
    { numRuns: 40 },
  );
});

test('two hundred like requests that are cut at once are two hundred jobs', async () => {
  const { tryOf } = requests();
  const of = (retry: number) => Array.from({ length: 200 }, (_, index) => tryOf(retry, retry * 1_000 + index));
  const jobs = [...(await claimAll(of(0))), ...(await claimAll(of(1))), ...(await claimAll(of(2)))];
  expect(new Set(jobs).size).toBe(200);
});

test('many like requests at once are no deadlock, and neither are batches that overlap', async () => {
  const alike = Array.from({ length: 5 }, () => requests());
  const batches = Array.from({ length: 20 }, (_, index) =>
    [...alike.keys()]
      .map((at) => alike[(at * (index + 1)) % 5]?.tryOf(index % 3, index * 10))
      .filter((one) => one !== undefined),
  );
  const jobs = await Promise.all(batches.map((batch) => claimAll(batch)));
  expect(jobs.flat().every((job) => job.startsWith('video_'))).toBe(true);
});

test('tries are forgotten when no retry can be taken for theirs any more', async () => {
  const { send } = requests();
  await send(0, -3 * windowMs);
  await send(0, 0);
  const before = await count();
  expect(await deleteOldRequests(database.pool, { msKept: 2 * windowMs, count: 1_000 })).toBeGreaterThan(0);
  expect(await count()).toBeLessThan(before);
  expect(await count()).toBeGreaterThan(0);
});

async function count(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>('SELECT count(*)::int FROM recent_requests');
  return rows[0]?.count ?? -1;
}
