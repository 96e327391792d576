import type pg from 'pg';
import { beginWithPinnedPlans, lockPool } from '../db/scheduler/grants.ts';
import { inTransaction } from '../db/pool.ts';
import { holdLeaversBudgets, readLeavers } from '../db/scheduler/read-leavers.ts';
import { findSpillSources, readSpillState, type SpillSource } from '../db/scheduler/spill-state.ts';
import { type Moved, moveTickets, noteSpills } from '../db/scheduler/spill.ts';
import { limits } from '../domain/limits/limits.ts';
import { chooseSpills } from '../domain/spill.ts';
import { hasRoomElsewhere, type SpillState } from '../domain/spill-room.ts';

export interface SpillPassDeps {
  readonly pool: pg.Pool;
  /** Told once a ticket that has gone elsewhere. */
  readonly onMoved?: (moved: Moved) => void;
}

export interface SpillPass {
  /** Sends on who waits in vain, from every line. Returns how many tickets were moved. */
  round(): Promise<number>;
}

/** Right after a grant pass: whoever waits then, waits for something. */
export function createSpillPass(deps: SpillPassDeps): SpillPass {
  const vainUntil = new Map<string, number>();
  return {
    async round() {
      const now = performance.now();
      const found = await findSpillSources(deps.pool);
      let count = 0;
      for (const pool of new Set(found.map((source) => source.pool))) {
        if ((vainUntil.get(pool) ?? 0) > now) continue;
        const sources = found.filter((source) => source.pool === pool);
        const state = await inTransaction(deps.pool, readSpillState, beginWithPinnedPlans);
        if (!hasRoomElsewhere(state, sources)) continue;
        // There is room, and not for those who wait, or something is wrong: it will be so in the next moment too.
        vainUntil.set(pool, now + limits.spillVainMs);
        const moved = await spillOfPool(deps, { pool, sources, state });
        if (moved.length > 0) vainUntil.delete(pool);
        for (const one of moved) deps.onMoved?.(one);
        count += moved.length;
      }
      return count;
    },
  };
}

interface SpillOrder {
  readonly pool: string;
  readonly sources: readonly SpillSource[];
  readonly state: SpillState;
}

/** Other pools are read and not locked: what comes to them is an arrival like any other. */
async function spillOfPool(deps: SpillPassDeps, { pool, sources, state }: SpillOrder): Promise<readonly Moved[]> {
  const pass = async (connection: pg.PoolClient): Promise<readonly Moved[]> => {
    if ((await lockPool(connection, pool)) === undefined) return [];
    const leavers = await readLeavers(connection, { pool, sources });
    const { tenants: budgeted, leftUsdMicros } = await holdLeaversBudgets(connection, leavers);
    const { moves, ...spills } = chooseSpills({ ...state, ...leavers, pool, leftUsdMicros });
    const moved = moves.length === 0 ? [] : await moveTickets(connection, { pool, moves, budgeted });
    if (spills.stranded.length + spills.unaffordable.length + spills.lanes.length > 0)
      await noteSpills(connection, { pool, spills });
    return moved;
  };
  return await inTransaction(deps.pool, pass, beginWithPinnedPlans);
}
