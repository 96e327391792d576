import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { recordAction } from '../../src/db/control/operator-actions.ts';
import { isJobId, type JobId } from '../../src/domain/job.ts';
import type { Repair } from '../../src/operations/repair.ts';
import { repairJob } from '../../src/operations/repair-job.ts';
import { repairMany } from '../../src/operations/repair-many.ts';
import { updateIdOf } from '../../src/operations/update-id.ts';
import { createStuckBench, type StuckBench } from '../db/stuck/stuck-bench.ts';

let bench: StuckBench;
beforeAll(async () => {
  bench = await createStuckBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.clear();
});

const signed = { by: 'ada', reason: 'a test' };
const pollNow: Repair = { name: 'pollNow', order: signed };
const temporal = (): Promise<never> => Promise.reject(new Error('it is away'));

async function stuckJobs(count: number): Promise<readonly JobId[]> {
  const jobs = await bench.accept({ pool: await bench.addPool(), count });
  for (const [place, job] of jobs.entries()) await bench.age(job, 7_200 - place);
  return jobs.filter(isJobId);
}

describe('many', () => {
  const planned = async (repair: Repair): Promise<readonly string[]> => {
    const order = {
      cause: 'waiting_capacity',
      repair,
      limit: 10,
      isDryRun: true,
      request: 'a',
      stuckAfterMs: 60_000,
    } as const;
    return (await repairMany({ db: bench.pool, temporal }, order)).map(({ job }) => job.jobId);
  };

  test('passes over who had the same repair within ten minutes, and nobody else', async () => {
    const jobs = await stuckJobs(2);
    const [first = '', second = ''] = jobs;
    expect(await planned(pollNow)).toEqual(jobs);
    await recordAction(bench.pool, { actor: 'ada', action: 'pollNow', subject: first, reason: 'a test' });
    expect(await planned(pollNow)).toEqual([second]);
    expect(await planned({ name: 'giveUp', order: signed })).toEqual(jobs);
    await bench.pool.query(`UPDATE operator_actions SET at = at - interval '11 minutes' WHERE subject = $1`, [first]);
    expect(await planned(pollNow)).toEqual(jobs);
  });
});

describe('one id', () => {
  const switchTo = (target: string): Repair => ({ name: 'switchTarget', order: { ...signed, target } });
  const ask = async (jobId: JobId, repair: Repair): Promise<string> =>
    (await repairJob({ db: bench.pool, temporal }, { jobId, repair, request: 'an-id', deadline: Date.now() })).kind;

  test('belongs to what was done under it, of each job', async () => {
    const [job, other] = await stuckJobs(2);
    if (!job || !other) throw new Error('not accepted');
    const asked = { repair: switchTo('vendor/one'), request: 'an-id' };
    const request = `${job}:${updateIdOf(asked)}`;
    await recordAction(bench.pool, { actor: 'ada', action: 'switchTarget', subject: job, reason: 'a test', request });
    expect(await ask(job, switchTo('vendor/two'))).toBe('reused');
    // It would be asked of Temporal, which answers with what came of it.
    expect(await ask(job, switchTo('vendor/one'))).toBe('away');
    expect(await ask(other, switchTo('vendor/two'))).toBe('away');
    expect(await ask(job, pollNow)).toBe('away');
  });
});
