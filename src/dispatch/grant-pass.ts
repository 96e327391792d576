import type pg from 'pg';
import { type BusyPool, findBusyPools } from '../db/scheduler/busy-pools.ts';
import { carryOut, type TargetNote } from '../db/scheduler/carry-out.ts';
import {
  beginPass,
  foldArrivals,
  type Holdings,
  lockBudget,
  lockPool,
  readHoldings,
  unparkTickets,
} from '../db/scheduler/grants.ts';
import { setOverBudgetAside } from '../db/scheduler/over-budget.ts';
import { inTransaction } from '../db/pool.ts';
import { type Heads, readHeads } from '../db/scheduler/read-heads.ts';
import { followTenantPauses } from '../db/scheduler/tenant-holds.ts';
import { holdTenantBudgets } from '../db/scheduler/spending.ts';
import { limits } from '../domain/limits/limits.ts';
import { growAccount, hearAccount, learnedBy, limitsInForce } from '../domain/limits/account-limits.ts';
import { chooseGrants, type Grants, hasRoom, type PoolState, roomOf, type WaitReason } from '../domain/grants.ts';
import { throwTogether } from './throw-together.ts';

export interface GrantPassDeps {
  readonly pool: pg.Pool;
  /** Submits without an answer that a pool may have, over all processes. */
  readonly submittingMax: number;
  /** Workflows that this process can take on now, over all pools. */
  readonly startSlots: () => number;
  readonly onPassedOver?: (pool: string, reasons: ReadonlyMap<WaitReason, number>) => void;
}

/** One pass over every pool with somebody in line. Returns how many permits were granted. */
export async function grantPass(deps: GrantPassDeps): Promise<number> {
  let granted = 0;
  const startSlots = (): number => deps.startSlots() - granted;
  const { submittingMax } = deps;
  const errors: unknown[] = [];
  for (const { hasNews, ...glance } of await findBusyPools(deps.pool)) {
    if (!hasNews && !hasRoom({ ...glance, submittingMax })) continue;
    // One pool's trouble is not the others'.
    granted += await grantOfPool({ ...deps, startSlots }, glance).catch((error: unknown) => {
      errors.push(error);
      return 0;
    });
  }
  throwTogether(errors, 'several pools could not be granted');
  return granted;
}

/** Short and local: Temporal is called by the relay, after this has committed. */
async function grantOfPool(
  deps: GrantPassDeps,
  { id: pool, hasDue }: Pick<BusyPool, 'id' | 'hasDue'>,
): Promise<number> {
  const pass = async (connection: pg.PoolClient): Promise<number> => {
    const locked = await lockPool(connection, pool);
    if (locked === undefined) return 0;
    const budgetUsdMicros = locked.isCapped ? await lockBudget(connection) : null;
    if (hasDue) await unparkTickets(connection, pool);
    if (locked.hasHolds) await followTenantPauses(connection, pool);
    await foldArrivals(connection, pool);
    const holdings = await readHoldings(connection, pool);
    const { overrides } = holdings;
    const configured = learnedBy(locked, overrides);
    const account = hearAccount(locked.learned, { ...configured, ...holdings });
    const { submittingMax } = deps;
    const inForce = limitsInForce(account, overrides);
    const state: PoolState = { ...locked, ...holdings, ...inForce, submittingMax, startSlots: deps.startSlots() };

    const { count, targets } = roomOf(state);
    // Under a cap or a budget the first may be too dear, and those behind them not.
    const looksOn = locked.isCapped || locked.hasTenantBudgets;
    const headsMax = Math.max(count, 1) + (looksOn ? limits.budgetLookMax : 0);
    const heads = await readHeads(connection, { pool, targets, headsMax });
    const budgets = locked.hasTenantBudgets ? await holdTenantBudgets(connection, idsOf(heads)) : undefined;
    const tenantBudgets = budgets && { tenantBudgets: budgets };
    const grants = chooseGrants({ ...state, ...holdings, ...heads, budgetUsdMicros, ...tenantBudgets });
    deps.onPassedOver?.(pool, countReasons(grants));
    const granted = await carryOut(connection, {
      pool,
      grants,
      budgeted: budgets?.tenants ?? [],
      learned: growAccount(account, {
        ...configured,
        overrides,
        now: state.now,
        outstanding: state.outstanding + grants.granted.length,
        nextStartAt: grants.nextStartAt,
      }),
      workingMax: state.outstandingMax,
      targets: notesOf(holdings, grants),
    });
    if (grants.overTenantBudget.length > 0) await setOverBudgetAside(connection, grants.overTenantBudget);
    return granted;
  };
  return await inTransaction(deps.pool, pass, beginPass);
}

function idsOf({ flows, overlaps }: Heads): readonly string[] {
  return [...flows.flatMap((flow) => flow.heads), ...overlaps].map(({ id }) => id);
}

/** What is new of the targets: a line waits for what its first head was passed over for, unless that is its tenant's own. */
function notesOf(holdings: Holdings, grants: Grants): readonly TargetNote[] {
  const { targetsNextStartAt } = grants;
  const passedOver = grants.passedOver.filter(({ id }) => !grants.overTenantBudget.includes(id));
  return holdings.targets.flatMap(({ name, waitReason }) => {
    const nextStartAt = targetsNextStartAt.get(name) ?? null;
    const reason = passedOver.find(({ target }) => target === name)?.reason ?? null;
    return nextStartAt === null && reason === waitReason ? [] : [{ name, nextStartAt, reason }];
  });
}

function countReasons({ passedOver }: Grants): ReadonlyMap<WaitReason, number> {
  const counts = new Map<WaitReason, number>();
  for (const { reason } of passedOver) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}
