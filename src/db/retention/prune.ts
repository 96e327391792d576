import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export interface PruneSettings {
  /** Final jobs are kept for so many days after their end. */
  readonly daysKept: number;
  /** Jobs that are looked at in one transaction. */
  readonly batch: number;
  /** Transactions of this call. */
  readonly batchesMax: number;
}

export interface Pruned {
  readonly jobs: number;
  /** Something went, and not all was looked through. */
  readonly isMore: boolean;
}

/**
 * Forgets old jobs with all that hangs on them, batch by batch, each in a transaction of its own: whoever is killed in between
 * leaves whole batches done. Goes on where the call before ended, and begins at the oldest once all was looked through: however
 * many may not go yet, they keep nobody behind them.
 */
export async function pruneJobs(db: Database, { daysKept, batch, batchesMax }: PruneSettings): Promise<Pruned> {
  let jobs = 0;
  let after = await readPosition(db);
  for (let round = 0; round < batchesMax; round += 1) {
    const { rows } = await db.query<{ pruned: number; seen: number | null; last: string | null }>({
      name: 'prune_jobs',
      text: `SELECT pruned, seen, last FROM prune_jobs(now() - $1 * interval '1 day', $2, $3)`,
      values: [daysKept, after, batch],
    });
    const { pruned, seen, last } = only(rows, 'prune_jobs');
    jobs += pruned;
    // Somebody else is at it.
    if (seen === null) return { jobs, isMore: false };
    after = seen < batch ? '' : (last ?? '');
    if (after === '') break;
  }
  await writePosition(db, after);
  return { jobs, isMore: after !== '' && jobs > 0 };
}

async function readPosition(db: Database): Promise<string> {
  const { rows } = await db.query<{ last: string }>({
    name: 'read_prune_position',
    text: 'SELECT last_job AS last FROM prune_position',
  });
  return rows[0]?.last ?? '';
}

async function writePosition(db: Database, last: string): Promise<void> {
  await db.query({
    name: 'write_prune_position',
    text: 'INSERT INTO prune_position (last_job) VALUES ($1) ON CONFLICT (is_one) DO UPDATE SET last_job = excluded.last_job',
    values: [last],
  });
}

/** Forgets what operators did, and their word on what was never ours. Returns how many; there may be more. */
export async function pruneActions(db: Database): Promise<number> {
  const { rowCount } = await db.query({
    name: 'prune_actions',
    text: `DELETE FROM operator_actions WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM operator_actions WHERE at < now() - $1 * interval '1 day' LIMIT $2))`,
    values: [limits.operatorActionDaysKept, limits.retentionBatchMax],
  });
  return rowCount ?? 0;
}
