import { limits } from '../../domain/limits/limits.ts';
import { type Stuck, stuckCauses, type StuckSettings } from '../../domain/stuck.ts';
import { waitCauses, webhookAfterMs } from '../../domain/wait-causes.ts';
import { readSnapshots } from './job-snapshots.ts';
import type { Database } from '../pool.ts';
import { countTold, findBegun, findFailing } from './stuck-candidates.ts';
import { type StuckJob, toStuckJobs } from './stuck-jobs.ts';
import { type CauseCount, countStuckWaits } from './waiting-jobs.ts';

export interface StuckCount extends CauseCount {
  /** The count goes no further: there may be more. */
  readonly isCapped: boolean;
}

/** How many jobs are stuck by cause; causes that nobody has are left out. One question after the other, on one connection. */
export async function countStuckJobs(db: Database, settings: StuckSettings): Promise<readonly StuckCount[]> {
  const rules = waitCauses(settings);
  const waits = await countStuckWaits(db, rules);
  const failing = await findFailing(db, limits.stuckLookMax);
  const begun = await findBegun(db, { ...settings, count: limits.stuckLookMax });
  const told = await countTold(db, webhookAfterMs(settings));
  const rows = await readSnapshots(db, [...new Set([...failing, ...begun, ...told.open])]);
  // Those who wait are counted where they stand, and final ones by their webhooks.
  const isCounted = ({ cause }: Stuck): boolean => rules.every((rule) => rule.cause !== cause);
  const isOpen = ({ phase }: StuckJob): boolean => phase === 'queued' || phase === 'in_progress';
  const others = rows.flatMap((row) => toStuckJobs(row, settings)).filter((job) => isCounted(job.stuck) && isOpen(job));
  const isCapped = [failing, begun].some(({ length }) => length >= limits.stuckLookMax);
  return stuckCauses.flatMap((cause) => {
    const counts = [
      ...waits.filter((count) => count.cause === cause),
      ...others
        .filter(({ stuck }) => stuck.cause === cause)
        .map(({ stuck }) => ({ jobs: 1, oldestSince: stuck.since })),
      ...(cause === 'webhook_failing' && told.final.jobs > 0 ? [told.final] : []),
    ];
    if (counts.length === 0) return [];
    const jobs = counts.reduce((sum, count) => sum + count.jobs, 0);
    const oldestSince = counts.reduce((oldest, count) => Math.min(oldest, count.oldestSince), Infinity);
    const isFull = cause === 'webhook_failing' ? told.isCapped : isCapped;
    return [{ cause, jobs, oldestSince, isCapped: isFull && rules.every((rule) => rule.cause !== cause) }];
  });
}
