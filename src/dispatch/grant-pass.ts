import type pg from 'pg';
import {
  beginWithPinnedPlans,
  claimGrants,
  findWaitingPools,
  headsOfPassMax,
  lockBudget,
  lockPool,
  readSnapshot,
} from '../db/grants.ts';
import { inTransaction } from '../db/pool.ts';
import { chooseGrants, hasRoom, type WaitReason } from '../domain/grants.ts';

export interface GrantPassDeps {
  readonly pool: pg.Pool;
  /** Submits without an answer that a pool may have, over all processes. */
  readonly submittingMax: number;
  /** Workflows that this process can take on now, over all pools. */
  readonly startSlots: () => number;
  readonly onPassedOver?: (pool: string, reasons: ReadonlyMap<WaitReason, number>) => void;
}

/** One pass over every pool with somebody in line and room for them. Returns how many permits were granted. */
export async function grantPass(deps: GrantPassDeps): Promise<number> {
  let granted = 0;
  const startSlots = (): number => deps.startSlots() - granted;
  const { submittingMax } = deps;
  for (const { id, ...glance } of await findWaitingPools(deps.pool))
    if (hasRoom({ ...glance, submittingMax })) granted += await grantOfPool({ ...deps, startSlots }, id);
  return granted;
}

/** Short and local: Temporal is called by the relay, after this has committed. */
async function grantOfPool(deps: GrantPassDeps, pool: string): Promise<number> {
  const pass = async (connection: pg.PoolClient): Promise<number> => {
    const locked = await lockPool(connection, pool);
    if (locked === undefined) return 0;
    const budgetUsdMicros = locked.isCapped ? await lockBudget(connection) : null;
    const snapshot = await readSnapshot(connection, { pool, headsMax: headsOfPassMax });
    const { submittingMax } = deps;
    const startSlots = deps.startSlots();
    const grants = chooseGrants({ ...locked, ...snapshot, budgetUsdMicros, submittingMax, startSlots });
    deps.onPassedOver?.(pool, countReasons(grants.passedOver));
    return grants.granted.length === 0 ? 0 : await claimGrants(connection, pool, grants);
  };
  return await inTransaction(deps.pool, pass, beginWithPinnedPlans);
}

function countReasons(passedOver: readonly { readonly reason: WaitReason }[]): ReadonlyMap<WaitReason, number> {
  const counts = new Map<WaitReason, number>();
  for (const { reason } of passedOver) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}
