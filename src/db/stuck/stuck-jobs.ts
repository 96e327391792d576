import type { JobId, JobPhase } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type Stuck, type StuckCause, stuckOf, type StuckSettings } from '../../domain/stuck.ts';
import { waitCauses } from '../../domain/wait-causes.ts';
import { readSnapshots, type SnapshotRow } from './job-snapshots.ts';
import type { Database } from '../pool.ts';
import { findBegun, findFailing, findUntold } from './stuck-candidates.ts';
import { findStuckWaits } from './waiting-jobs.ts';

/** A job that does not get on, and why. */
export interface StuckJob {
  readonly jobId: JobId;
  readonly tenant: string;
  readonly model: string;
  readonly phase: JobPhase;
  /** Where it waits, or where the attempt is that it is about. Null: only its webhook is at stake, or its workflow. */
  readonly target: string | null;
  readonly provider: string | null;
  /** Another target of its route, which it was not at yet. Null: there is none. */
  readonly elsewhere: string | null;
  readonly stuck: Stuck;
}

export interface StuckQuery extends StuckSettings {
  readonly cause?: StuckCause;
  readonly jobId?: JobId;
  readonly tenant?: string;
  /** At most `limits.stuckJobsMax`. */
  readonly limit: number;
}

/**
 * Jobs that do not get on, the longest first. Candidates are found by what stands still; whether they are stuck, and why,
 * `stuckOf` says alone.
 */
export async function findStuckJobs(db: Database, query: StuckQuery): Promise<readonly StuckJob[]> {
  const limit = Math.min(query.limit, limits.stuckJobsMax);
  const ids = query.jobId === undefined ? await findCandidates(db, { ...query, limit }) : [query.jobId];
  return (await readSnapshots(db, ids))
    .filter(({ tenant }) => query.tenant === undefined || tenant === query.tenant)
    .flatMap((row) => toStuckJobs(row, query))
    .filter(({ stuck }) => query.cause === undefined || stuck.cause === query.cause)
    .toSorted((one, other) => one.stuck.since - other.stuck.since)
    .slice(0, limit);
}

/** Why a job is stuck, as a row of it was read. Empty: it is not. */
export function toStuckJobs(row: SnapshotRow, settings: StuckSettings): readonly StuckJob[] {
  const stuck = stuckOf(row.snapshot, settings, row.now);
  if (stuck === undefined) return [];
  const { jobId, tenant, model, phase } = row;
  const place = placeOf(row, stuck);
  const elsewhere = row.untried.find((name) => name !== place?.target) ?? null;
  const { target = null, provider = null } = place ?? {};
  return [{ jobId, tenant, model, phase, target, provider, elsewhere, stuck }];
}

function placeOf({ snapshot, waitsAt }: SnapshotRow, { cause, attempt }: Stuck): SnapshotRow['waitsAt'] {
  if (cause === 'webhook_failing') return null;
  return snapshot.attempts.find((one) => attempt === undefined || one.attempt === attempt) ?? waitsAt;
}

type Candidates = Required<Pick<StuckQuery, 'limit'>> & Omit<StuckQuery, 'jobId'>;

async function findCandidates(db: Database, query: Candidates): Promise<readonly JobId[]> {
  const { cause, tenant, limit } = query;
  const rules = waitCauses(query).filter((rule) => cause === undefined || rule.cause === cause);
  const isWanted = (...causes: readonly StuckCause[]): boolean => cause === undefined || causes.includes(cause);
  const found = await Promise.all([
    isWanted('workflow_task_failing') ? findFailing(db, limits.stuckLookMax) : [],
    isWanted('submit_unknown', 'storing_asset', 'polling_provider_slow', 'waiting_callback_overdue')
      ? findBegun(db, { ...query, count: limits.stuckLookMax })
      : [],
    findStuckWaits(db, { rules, limit, ...(tenant !== undefined && { tenant }) }),
    isWanted('webhook_failing') ? findUntold(db, { tenant, limit }) : [],
  ]);
  return [...new Set(found.flat())];
}
