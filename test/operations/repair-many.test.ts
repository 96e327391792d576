import { afterEach, describe, expect, test, vi } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import type { RepairResult } from '../../src/operations/repair.ts';
import { type Each, repairEach } from '../../src/operations/repair-many.ts';
import { stuckJobs } from './stuck-jobs.ts';

const done: RepairResult = { kind: 'done', answer: { outcome: 'done' } };
const refused: RepairResult = { kind: 'refused', reason: 'not now' };

/** Repairs so many jobs, and says what came of each that is told of, by its place in line. */
async function repair(count: number, { repairOne, ...bounds }: Partial<Each>) {
  const jobs = stuckJobs(count);
  const asked: number[] = [];
  const repaired = await repairEach(jobs, {
    limit: count,
    deadline: Date.now() + 60_000,
    ...bounds,
    repairOne: async (job) => {
      asked.push(jobs.indexOf(job));
      return await (repairOne ?? (async () => done))(job);
    },
  });
  return { asked, told: repaired.map(({ job, result }) => [jobs.indexOf(job), result?.kind]) };
}

const ofJob =
  (results: Readonly<Record<number, RepairResult>>): Each['repairOne'] =>
  async ({ stuck }) =>
    results[stuck.since] ?? done;

test('the longest stuck are repaired, as many as was said, and told of in their order', async () => {
  const { asked, told } = await repair(9, { limit: 3 });
  expect(asked).toEqual([0, 1, 2]);
  expect(told).toEqual([
    [0, 'done'],
    [1, 'done'],
    [2, 'done'],
  ]);
});

test.each(['refused', 'final', 'reused'] as const)('what is %s makes room for another one', async (kind) => {
  const { told } = await repair(9, {
    limit: 2,
    repairOne: ofJob({ 0: { kind, reason: 'x' }, 1: { kind, reason: 'x' } }),
  });
  expect(told).toEqual([
    [0, kind],
    [1, kind],
    [2, 'done'],
    [3, 'done'],
  ]);
});

test.each(['away', 'silent'] as const)('what may have been done takes its place: %s', async (kind) => {
  const { told } = await repair(9, { limit: 2, repairOne: ofJob({ 0: { kind, reason: 'x' } }) });
  expect(told).toEqual([
    [0, kind],
    [1, 'done'],
  ]);
});

test('one that throws stops none of the others', async () => {
  const repairOne: Each['repairOne'] = async ({ stuck }) => {
    if (stuck.since === 1) throw new Error('the connection broke');
    return done;
  };
  const { told } = await repair(3, { repairOne });
  expect(told).toEqual([
    [0, 'done'],
    [1, 'away'],
    [2, 'done'],
  ]);
});

test('so many are asked at once and no more', async () => {
  let [atOnce, most] = [0, 0];
  const repairOne = async (): Promise<RepairResult> => {
    most = Math.max(most, (atOnce += 1));
    await Promise.resolve();
    atOnce -= 1;
    return done;
  };
  await repair(limits.repairsAtOnceMax * 3, { repairOne });
  expect(most).toBe(limits.repairsAtOnceMax);
});

describe('after the deadline', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('none of the others is asked, and those that there was room for are told so', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const deadline = Date.now() + 20_000;
    const repairOne: Each['repairOne'] = async ({ stuck }) => {
      await Promise.resolve();
      vi.setSystemTime(deadline);
      return stuck.since === 0 ? refused : done;
    };
    const { asked, told } = await repair(20, { limit: 7, deadline, repairOne });
    // The first five are under way by then, and one of them gave its room back.
    expect(asked).toEqual([0, 1, 2, 3, 4]);
    expect(told).toEqual([
      [0, 'refused'],
      ...[1, 2, 3, 4].map((place) => [place, 'done']),
      ...[5, 6, 7].map((place) => [place, 'away']),
    ]);
  });
});
