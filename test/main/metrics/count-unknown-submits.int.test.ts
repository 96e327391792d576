import { afterAll, beforeAll, expect, test } from 'vitest';
import { decideUnknown } from '../../../src/db/ledger/unknown-attempts.ts';
import { answerAttempt, beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { countUnknownSubmits } from '../../../src/main/metrics/count-unknown-submits.ts';
import { unknownResolved, unknownSubmits } from '../../../src/main/metrics/metrics.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../../db/ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(async () => await bench.drop());

test('two ambiguous submits, of which one is given up, are three counts, taken once', async () => {
  const jobs = [await bench.acceptJob(), await bench.acceptJob()];
  const grants = await bench.grant(...jobs);
  for (const [index, jobId] of jobs.entries()) {
    await beginAttempt(bench.pool, beginOrder(jobId, grants[index] ?? ''));
    await answerAttempt(bench.pool, { jobId, attempt: 1, state: 'unknown', operation: null });
  }
  await decideUnknown(bench.pool, { jobId: jobs[0] ?? '', attempt: 1, policy: 'fail' });
  for (let round = 0; round < 2; round += 1) await countUnknownSubmits(bench.pool);
  const target = 'vendor/model';
  expect((await unknownSubmits.get()).values).toMatchObject([{ labels: { target }, value: 2 }]);
  expect((await unknownResolved.get()).values).toMatchObject([{ labels: { target, by: 'grace_fail' }, value: 1 }]);
});
