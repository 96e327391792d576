import { afterAll, beforeAll, expect, test } from 'vitest';
import { type JobPage, listJobs } from '../../../src/db/jobs/list-jobs.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { pagesOf } from '../../support/pages.ts';

let database: TestDatabase;
const jobs = 30_000;

beforeAll(async () => {
  database = await createTestDatabase();
  // One in ten thousand is under way, and one in ten thousand is of another model.
  await database.pool.query(
    `INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline, phase, finished_at)
     SELECT 'video_01890005-0000-7000-8000-' || lpad(to_hex(number), 12, '0'), 'default',
            CASE WHEN number % 10000 = 7 THEN 'rare' ELSE 'common' END, '{}', '[]', 1, now(),
            CASE WHEN number % 10000 = 3 THEN 'in_progress' ELSE 'failed' END,
            CASE WHEN number % 10000 <> 3 THEN now() END
     FROM generate_series(1, $1) AS number`,
    [jobs],
  );
  // As many have been deleted, and lie before the rest whichever way round it is read.
  await database.pool.query(
    `INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline, phase, finished_at, erase_requested_at)
     SELECT 'video_0189000' || number % 2 * 9 || '-0000-7000-9000-' || lpad(to_hex(number), 12, '0'), 'default', 'common', NULL,
            '[]', 1, now(), 'failed', now(), now()
     FROM generate_series(1, $1) AS number`,
    [jobs],
  );
  await database.pool.query('VACUUM ANALYZE jobs');
});
afterAll(() => database.drop());

const page: JobPage = {
  tenant: 'default',
  order: 'desc',
  after: undefined,
  count: 21,
  phase: undefined,
  model: undefined,
};

test.each([
  ['all', {}],
  ['a rare status', { phase: 'in_progress' }],
  ['a status of nobody', { phase: 'completed' }],
  ['a rare model', { model: 'rare' }],
  ['a model of nobody', { model: 'none' }],
  ['a rare status of a rare model', { phase: 'in_progress', model: 'rare' }],
  ['a common status', { phase: 'failed', order: 'asc' }],
] as const)('a page of %s costs what the page costs, however many others there are', async (_what, wish) => {
  expect(await pagesOf(database.pool, (db) => listJobs(db, { ...page, ...wish }))).toBeLessThan(300);
});

test('what is rare is found', async () => {
  expect(await listJobs(database.pool, { ...page, phase: 'in_progress' })).toHaveLength(3);
  expect(await listJobs(database.pool, { ...page, model: 'rare' })).toHaveLength(3);
  expect(await listJobs(database.pool, { ...page, model: 'rare', phase: 'in_progress' })).toHaveLength(0);
  expect(await listJobs(database.pool, { ...page, tenant: 'nobody' })).toHaveLength(0);
});
