import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { beginAsset, failAsset } from '../../../src/db/jobs/assets.ts';
import { tellLateCopies } from '../../../src/db/mailbox/late-copies.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { createStuckBench, type StuckBench } from '../stuck/stuck-bench.ts';

let bench: StuckBench;
beforeAll(async () => {
  bench = await createStuckBench();
});
afterAll(() => bench.drop());
beforeEach(async () => {
  await bench.clear();
  await bench.pool.query(`DELETE FROM watermarks WHERE id = 'late_copies'`);
});

/** A job whose video was made so many seconds ago. */
async function made(seconds: number): Promise<string> {
  const job = await bench.begin();
  await bench.acceptFirst(job);
  await bench.finish(job);
  await bench.pool.query('DELETE FROM mailbox');
  await bench.age(job, seconds);
  return job;
}

const tell = async () => {
  await tellLateCopies(bench.pool);
  const { rows } = await bench.pool.query('SELECT job, kind, attempt FROM mailbox');
  await bench.pool.query('DELETE FROM mailbox');
  return rows;
};

test('a copy that nobody has begun, or ended, is told of once, when it is late', async () => {
  const job = await made(40);
  expect(await tell()).toEqual([]);
  await bench.age(job, 40);
  await bench.pool.query(`UPDATE watermarks SET at = at - interval '40 seconds' WHERE id = 'late_copies'`);
  expect(await tell()).toEqual([{ job, kind: 'repair', attempt: 1 }]);
  expect(await tell()).toEqual([]);
});

test('one that was begun is too, and one that has failed is not', async () => {
  const [begun, failed] = [await made(100), await made(100)];
  for (const jobId of [begun, failed]) await beginAsset(bench.pool, { jobId, attempt: 1, key: jobId });
  await failAsset(bench.pool, { jobId: failed, attempt: 1, failure: failureOf('output_expired') });
  expect(await tell()).toEqual([{ job: begun, kind: 'repair', attempt: 1 }]);
});
