import type { RetentionActivities } from '../contracts/enforce-retention.ts';
import { forgetOrphans } from '../db/retention/orphans.ts';
import type { Database } from '../db/pool.ts';
import { pruneActions, type Pruned, pruneJobs } from '../db/retention/prune.ts';
import * as db from '../db/retention/retention.ts';
import { forgetDeliveries, forgetWebhookTraces } from '../db/webhooks/upkeep.ts';
import { limits } from '../domain/limits/limits.ts';
import { inputKeysOf } from '../storage/input-keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { ActivityDeps } from './deps.ts';

type RetentionDeps = Pick<ActivityDeps, 'db' | 'store' | 'log' | 'jobDaysKept' | 'onPruned'>;

/** Batches of each kind, up to so many. What could not be removed is left as it was, and the rest is done before that is an error. */
export function createRemoveExpired(deps: RetentionDeps): RetentionActivities['removeExpired'] {
  return async function removeExpired() {
    const assets = await removeBatch(deps, {
      find: db.findExpiredAssets,
      keysOf: ({ key }) => [key],
      note: db.noteRemovedAssets,
    });
    const inputs = await removeBatch(deps, {
      find: db.findExpiredInputs,
      keysOf: ({ key, ...place }) => [...new Set([...inputKeysOf(place), ...(key === null ? [] : [key])])],
      note: db.noteRemovedInputs,
    });
    const uploads = await removeBatch(deps, {
      find: db.findExpiredUploads,
      keysOf: ({ key }) => [key],
      note: db.deleteUploads,
    });
    const all = [assets, inputs, uploads];
    const webhooks = await forgetOldDeliveries(deps.db);
    await forgetWebhookTraces(deps.db, { daysKept: limits.webhookDaysKept });
    // After the bytes, and after webhooks, which jobs that are forgotten must have none of.
    const jobs = await prune(deps);
    const removed = { assets: assets.count, inputs: inputs.count, uploads: uploads.count };
    deps.log.info({ ...removed, webhooks: webhooks.count, jobs: jobs.jobs }, 'removed what had expired');
    const errors = all.flatMap((batch) => batch.errors);
    if (errors.length > 0) {
      throw new Error(`${errors.length} objects could not be removed: look at the object store`, { cause: errors[0] });
    }
    const isMore = jobs.isMore || webhooks.isFull || all.some(({ isFull }) => isFull);
    return { ...removed, isMore };
  };
}

/** As many as jobs are forgotten at once: each has one or more, and none goes before they have. */
async function forgetOldDeliveries(db: Database): Promise<Pick<Batch, 'count' | 'isFull'>> {
  const count = limits.retentionBatchMax;
  let forgotten = 0;
  for (let batch = 0; batch < limits.retentionBatchesMax; batch += 1) {
    const now = await forgetDeliveries(db, { daysKept: limits.webhookDaysKept, count });
    forgotten += now;
    if (now < count) return { count: forgotten, isFull: false };
  }
  return { count: forgotten, isFull: true };
}

/** Jobs that ended long ago, with all that hangs on them, and what operators and vendors said of jobs. */
async function prune({ db, jobDaysKept, onPruned }: RetentionDeps): Promise<Pruned> {
  const pruned = await pruneJobs(db, {
    daysKept: jobDaysKept ?? limits.jobDaysKeptDefault,
    batch: limits.prunedBatchMax,
    batchesMax: limits.prunedBatchesMax,
  });
  onPruned?.(pruned.jobs);
  await pruneActions(db);
  await forgetOrphans(db, { daysKept: limits.orphanDaysKept, count: limits.retentionBatchMax });
  return pruned;
}

interface Kind<Row> {
  readonly find: (db: Database, page: db.Page) => Promise<readonly Row[]>;
  readonly keysOf: (row: Row) => readonly string[];
  readonly note: (db: Database, rows: readonly Row[]) => Promise<void>;
}

interface Batch {
  readonly count: number;
  /** There may be more of the kind. */
  readonly isFull: boolean;
  readonly errors: readonly unknown[];
}

/**
 * Batch after batch, as many and for as long as an activity may. Past those that are stuck: who can't be removed is not to keep
 * all who come after.
 */
async function removeBatch<Row>({ db, store }: RetentionDeps, { find, keysOf, note }: Kind<Row>): Promise<Batch> {
  const count = limits.retentionBatchMax;
  const errors: unknown[] = [];
  const giveUpAt = performance.now() + limits.removalsMsMax;
  let removed = 0;
  for (;;) {
    const rows = await find(db, { count, skip: errors.length });
    const page = await removeAll(rows, (row) => removeObjects(store, keysOf(row)));
    // The bytes first, then the note of it: whoever dies in between is repeated, and removes what is gone already.
    if (page.gone.length > 0) await note(db, page.gone);
    removed += page.gone.length;
    errors.push(...page.errors);
    const isFull = rows.length >= count;
    const isEnough = removed >= count * limits.retentionBatchesMax || performance.now() >= giveUpAt;
    if (!isFull || isEnough || errors.length >= limits.retentionStuckMax) {
      return { count: removed, isFull, errors };
    }
  }
}

interface Page<Row> {
  readonly gone: readonly Row[];
  readonly errors: readonly unknown[];
}

async function removeAll<Row>(rows: readonly Row[], remove: (row: Row) => Promise<void>): Promise<Page<Row>> {
  const gone: Row[] = [];
  const errors: unknown[] = [];
  for (let from = 0; from < rows.length; from += limits.removalsAtOnceMax) {
    const some = rows.slice(from, from + limits.removalsAtOnceMax);
    const removals = some.map((row) => remove(row).then(() => gone.push(row)));
    await Promise.all(removals.map((removal) => removal.catch((error: unknown) => errors.push(error))));
  }
  return { gone, errors };
}

async function removeObjects(store: ObjectStore, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.remove(key);
}
