import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findStandingJobs, insertJobs, type NewJob } from '../../../src/db/jobs/accept.ts';
import { insertUploads } from '../../../src/db/jobs/uploads.ts';
import { target } from '../../api/api-bench.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

function newJob(overrides: Partial<NewJob> = {}): NewJob {
  return {
    id: `video_${uuidv7()}`,
    tenant: 'default',
    request: { prompt: 'a fox', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' },
    route: [target],
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds: 3_600,
    idempotency: null,
    ...overrides,
  };
}

const fingerprint = 'ab'.repeat(32);
const keyed = (key: string, overrides: Partial<NewJob> = {}) =>
  newJob({ idempotency: { key, fingerprint }, ...overrides });

async function rowsOf(table: string, ids: readonly string[], column = 'job'): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query(
    `SELECT * FROM ${table} WHERE ${column} = ANY($1::text[]) ORDER BY ${column}`,
    [ids],
  );
  return rows;
}

test('a job comes with its ticket and the first line of its story', async () => {
  const request = { ...newJob().request, user: 'alice', priority: 'high' } as const;
  const job = keyed(randomUUID(), { request, inputImage: 'inputs/default/a.png', queueTtlSeconds: 60 });
  const [inserted] = await insertJobs(database.pool, [job]);
  expect(inserted?.id).toBe(job.id);
  expect(Math.abs((inserted?.acceptedAt ?? 0) - Date.now())).toBeLessThan(5_000);

  const [row] = await rowsOf('jobs', [job.id], 'id');
  expect(row).toMatchObject({
    phase: 'queued',
    model: 'wan-2.6',
    request,
    route: [target],
    input_image: 'inputs/default/a.png',
    input_url: null,
    input_prepared: false,
    priority: 0,
    event_seq: 1,
  });
  const [ticket] = await rowsOf('tickets', [job.id]);
  expect(ticket).toMatchObject({
    attempt: 1,
    target: 0,
    kind: 'first',
    pool: 'acme-main',
    caller: 'alice',
    priority: 0,
    price_usd_micros: '500000',
  });
  expect(ticket?.['accepted_at']).toEqual(row?.['accepted_at']);
  expect(ticket?.['queue_deadline']).toEqual(row?.['queue_deadline']);
  expect(Number(row?.['queue_deadline']) - Number(row?.['accepted_at'])).toBe(60_000);
  expect(await rowsOf('job_events', [job.id])).toMatchObject([{ seq: 1, kind: 'job.queued' }]);
  expect(await rowsOf('idempotency_keys', [job.id])).toHaveLength(1);
});

test('a picture that is still to be read is kept as its URL, and is its own job’s alone', async () => {
  const url = 'https://example.com/a.png';
  const jobs = [newJob({ inputUrl: url }), newJob(), newJob({ inputImage: 'inputs/default/b.png' })];
  await insertJobs(database.pool, jobs);
  const rows = await rowsOf(
    'jobs',
    jobs.map(({ id }) => id),
    'id',
  );
  expect(rows.map(({ input_image, input_url }) => [input_image, input_url])).toEqual([
    [null, url],
    [null, null],
    ['inputs/default/b.png', null],
  ]);
});

test('the same batch again changes nothing, with and without a key', async () => {
  const jobs = [newJob(), keyed(randomUUID()), newJob()];
  const ids = jobs.map(({ id }) => id);
  expect(await insertJobs(database.pool, jobs)).toHaveLength(3);
  // A granted ticket must not come back either.
  await database.pool.query('DELETE FROM tickets WHERE job = $1', [ids[0]]);
  expect(await insertJobs(database.pool, jobs)).toEqual([]);
  expect(await rowsOf('jobs', ids, 'id')).toHaveLength(3);
  expect(await rowsOf('tickets', ids)).toHaveLength(2);
  expect(await rowsOf('job_events', ids)).toHaveLength(3);
  const standing = await findStandingJobs(database.pool, jobs);
  expect(new Map(standing.map(({ askedId, id }) => [askedId, id]))).toEqual(new Map(ids.map((id) => [id, id])));
});

test('one key has one job: inside a batch, and across batches', async () => {
  const key = randomUUID();
  const twins = [keyed(key), keyed(key), newJob()];
  const inserted = await insertJobs(database.pool, twins);
  expect(inserted).toHaveLength(2);
  const late = keyed(key);
  expect(await insertJobs(database.pool, [late])).toEqual([]);
  const [standing] = await findStandingJobs(database.pool, [late]);
  expect(standing).toMatchObject({ askedId: late.id, fingerprint, request: late.request, route: [target] });
  expect(inserted.map(({ id }) => id)).toContain(standing?.id);
});

test('every job of a batch has its own route, shared or not', async () => {
  const shared = [target];
  const routes = [shared, [{ ...target, name: 'acme/"{other}\\', priceUsdMicros: null }, target], shared, [target]];
  const jobs = routes.map((route) => newJob({ route }));
  await insertJobs(database.pool, jobs);
  const rows = await rowsOf(
    'jobs',
    jobs.map(({ id }) => id),
    'id',
  );
  expect(rows.map(({ route }) => route)).toEqual(routes);
});

test('the key of another tenant is another key', async () => {
  const key = randomUUID();
  expect(await insertJobs(database.pool, [keyed(key), keyed(key, { tenant: 'other' })])).toHaveLength(2);
  const [standing] = await findStandingJobs(database.pool, [keyed(key, { tenant: 'other' })]);
  const { rows } = await database.pool.query('SELECT tenant FROM jobs WHERE id = $1', [standing?.id]);
  expect(rows).toEqual([{ tenant: 'other' }]);
});

test('tickets of a batch stand in the order of arrival, whatever their keys', async () => {
  const jobs = ['z', 'a', 'm'].map((letter) => keyed(`${letter}-${randomUUID()}`));
  await insertJobs(database.pool, jobs);
  const { rows } = await database.pool.query<{ job: string }>(
    'SELECT job FROM tickets WHERE job = ANY($1::text[]) ORDER BY accepted_at, id',
    [jobs.map(({ id }) => id)],
  );
  expect(rows.map(({ job }) => job)).toEqual(jobs.map(({ id }) => id));
});

test.each([
  ['a NUL in the prompt', { request: { ...newJob().request, prompt: 'a\0' } }],
  ['an id that is none', { id: 'video_1' }],
  ['a fingerprint that is none', { idempotency: { key: 'k', fingerprint: 'zz' } }],
] as const)('a batch with %s leaves nothing behind', async (_name, overrides) => {
  const good = newJob();
  await expect(insertJobs(database.pool, [good, newJob(overrides)])).rejects.toMatchObject({
    code: expect.stringMatching(/^2[23]/),
  });
  expect(await rowsOf('jobs', [good.id], 'id')).toEqual([]);
});

test('batches with the same keys in opposite orders do not deadlock', async () => {
  const keys = Array.from({ length: 60 }, () => randomUUID());
  const batches = Array.from({ length: 8 }, (_, index) =>
    (index % 2 === 0 ? keys : keys.toReversed()).map((key) => keyed(key)),
  );
  const inserted = await Promise.all(batches.map((jobs) => insertJobs(database.pool, jobs)));
  expect(inserted.flat()).toHaveLength(keys.length);
});

describe('a picture that lies in wait for its job', () => {
  const waiting = ({ id, tenant, inputImage }: NewJob) => ({
    id,
    tenant,
    key: inputImage ?? '',
    bytes: 7,
    secondsKept: 60,
  });
  const withPicture = (key = randomUUID()) => keyed(key, { inputImage: `inputs/default/${randomUUID()}.png` });
  const waitingOf = async (jobs: readonly NewJob[]) => {
    const rows = await rowsOf(
      'uploads',
      jobs.map(({ id }) => id),
      'id',
    );
    return rows.map(({ id }) => id);
  };

  test('is its own from the moment that it is accepted, and nobody else’s', async () => {
    const [mine, other] = [withPicture(), withPicture()];
    await insertUploads(database.pool, [waiting(mine), waiting(other)]);
    await insertJobs(database.pool, [mine, newJob()]);
    expect(await waitingOf([mine, other])).toEqual([other.id]);
  });

  test('is left to retention where there is no such job after all', async () => {
    const key = randomUUID();
    const [first, second] = [withPicture(key), withPicture(key)];
    await insertUploads(database.pool, [waiting(first), waiting(second)]);
    await insertJobs(database.pool, [first]);
    await insertJobs(database.pool, [second]);
    expect(await waitingOf([first, second])).toEqual([second.id]);
  });

  test('is not noted by a try that arrives when the job has been accepted', async () => {
    const job = withPicture();
    await insertUploads(database.pool, [waiting(job)]);
    await insertJobs(database.pool, [job]);
    await insertUploads(database.pool, [waiting(job)]);
    expect(await waitingOf([job])).toEqual([]);
  });
});
