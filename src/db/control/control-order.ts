import type { ControlOutcome } from '../../domain/control.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type Connections, inTransaction } from '../pool.ts';
import { only } from '../sql.ts';

/** One of the functions of migration 0021, which say what came of an order. */
export interface ControlCall {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Waits longer than other statements may: for the grant passes that are under way, which have the lock that it takes. */
export async function carryOutOrder(pool: Connections, { name, text, values }: ControlCall): Promise<ControlOutcome> {
  const begin = `BEGIN; SET LOCAL statement_timeout = ${limits.controlLockMsMax}`;
  const call = { name, text, values: [...values], query_timeout: limits.controlLockMsMax + 500 };
  return await inTransaction(
    pool,
    async (connection) => only((await connection.query<{ outcome: ControlOutcome }>(call)).rows, name).outcome,
    begin,
  );
}
