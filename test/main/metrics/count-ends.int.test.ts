import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginAttempt, endAttempt } from '../../../src/db/ledger/attempts.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { countEnds } from '../../../src/main/metrics/count-ends.ts';
import { attemptsEnded, jobsEnded } from '../../../src/main/metrics/metrics.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../../db/ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(async () => await bench.drop());

test('an attempt that ended by callback and a job that was cancelled are counted once each, whoever ended them', async () => {
  const jobs = [await bench.acceptJob(), await bench.acceptJob()];
  const [grant = ''] = await bench.grant(jobs[0] ?? '');
  await beginAttempt(bench.pool, beginOrder(jobs[0] ?? '', grant));
  const end = { jobId: jobs[0] ?? '', attempt: 1, evidence: 'callback', operation: 'op', outcome: 'finished' } as const;
  for (let told = 0; told < 2; told += 1) await endAttempt(bench.pool, { ...end, videoUrl: 'https://v.test/1.mp4' });
  await settleJob(bench.pool, jobs[1] ?? '', { phase: 'cancelled' });
  for (let round = 0; round < 2; round += 1) await countEnds(bench.pool);
  expect((await attemptsEnded.get()).values).toMatchObject([
    { labels: { target: 'vendor/model', outcome: 'finished', evidence: 'callback' }, value: 1 },
  ]);
  expect((await jobsEnded.get()).values).toMatchObject([{ labels: { phase: 'cancelled' }, value: 1 }]);
});
