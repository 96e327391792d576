import { findSubjectsOf } from '../db/control/operator-actions.ts';
import type { Database } from '../db/pool.ts';
import { findStuckJobs, type StuckJob, type StuckQuery } from '../db/stuck/stuck-jobs.ts';
import { limits } from '../domain/limits/limits.ts';
import type { StuckCause } from '../domain/stuck.ts';
import type { Repair, RepairResult } from './repair.ts';
import { type RepairDeps, repairJob } from './repair-job.ts';

export interface BulkOrder extends Pick<StuckQuery, 'stuckAfterMs'> {
  readonly cause: StuckCause;
  readonly repair: Repair;
  /** At most `limits.bulkRepairsMax`: those that are stuck the longest. */
  readonly limit: number;
  /** Says which jobs it would be, and does nothing. */
  readonly isDryRun: boolean;
  readonly request: string;
}

export interface BulkDeps extends RepairDeps {
  /** Whose statements may take longer than others. Absent: `db`. */
  readonly reports?: Database;
}

export interface RepairedJob {
  readonly job: StuckJob;
  /** Null: nothing was done. */
  readonly result: RepairResult | null;
}

/**
 * Repairs every job that is stuck for one cause, a few at a time. Each has its own outcome, and one that fails stops none of the
 * others. Jobs are found anew by every call, without those that had this repair lately: so whoever repeats it goes on with those
 * that are left. What was refused does not count, so that it stands in nobody's way.
 */
export async function repairMany(deps: BulkDeps, order: BulkOrder): Promise<readonly RepairedJob[]> {
  const { isDryRun, repair, request } = order;
  const limit = Math.min(order.limit, limits.bulkRepairsMax);
  const left = await findLeft(deps.reports ?? deps.db, order);
  if (isDryRun) return left.slice(0, limit).map((job) => ({ job, result: null }));
  const deadline = Date.now() + limits.bulkMsMax;
  const repairOne = async ({ jobId }: StuckJob): Promise<RepairResult> =>
    await repairJob(deps, { jobId, repair, request, deadline });
  return await repairEach(left, { limit, deadline, repairOne });
}

export interface Each {
  /** So many are repaired, without those of which nothing is left to be done or that are refused. */
  readonly limit: number;
  /** In milliseconds since the epoch. Afterwards none of the others is asked. */
  readonly deadline: number;
  readonly repairOne: (job: StuckJob) => Promise<RepairResult>;
}

/** A few at a time, in their order. */
export async function repairEach(
  jobs: readonly StuckJob[],
  { limit, deadline, repairOne }: Each,
): Promise<readonly RepairedJob[]> {
  const left = [...jobs];
  const repaired: RepairedJob[] = [];
  let room = limit;
  const work = async (): Promise<void> => {
    while (room > 0 && Date.now() < deadline) {
      const job = left.shift();
      if (job === undefined) return;
      room -= 1;
      const result = await repairOne(job).catch(couldNotBeAsked);
      if (result.kind === 'refused' || result.kind === 'final' || result.kind === 'reused') room += 1;
      repaired.push({ job, result });
    }
  };
  await Promise.all(Array.from({ length: limits.repairsAtOnceMax }, work));
  const late = Date.now() < deadline ? [] : left.slice(0, room).map((job) => ({ job, result: noTime }));
  return [...repaired.toSorted((one, other) => one.job.stuck.since - other.job.stuck.since), ...late];
}

async function findLeft(db: Database, { repair, ...query }: BulkOrder): Promise<StuckJob[]> {
  const { cause, stuckAfterMs } = query;
  const jobs = await findStuckJobs(db, { cause, stuckAfterMs, limit: limits.stuckJobsMax });
  const subjects = jobs.map(({ jobId }) => jobId);
  const lately = await findSubjectsOf(db, { action: repair.name, subjects, withinMs: limits.repairedLatelyMs });
  return jobs.filter(({ jobId }) => !lately.has(jobId));
}

const noTime: RepairResult = {
  kind: 'away',
  reason: `The others took more than ${limits.bulkMsMax / 1_000} s, and it was not asked. Repeat it: it goes on with those that are left.`,
};

function couldNotBeAsked(error: unknown): RepairResult {
  const reason = error instanceof Error ? error.message : 'it is not known why';
  return { kind: 'away', reason: `It could not be asked: ${reason}.` };
}
