import type { ControlOutcome } from '../../domain/control.ts';
import { carryOutOrder } from './control-order.ts';
import type { SignedOrder } from './pauses.ts';
import type { Connections } from '../pool.ts';

export interface ClearOrder extends SignedOrder {
  readonly pool: string;
}

export interface OverrideOrder extends ClearOrder {
  /** Null: as the catalogue says. One of them is not. */
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  /** From then on the catalogue holds again. */
  readonly seconds: number;
}

/** Sets limits of a pool in place of the catalogue's, in place of those set before. Wake the grant pass afterwards. */
export async function overrideLimits(db: Connections, order: OverrideOrder): Promise<ControlOutcome> {
  const { pool, outstandingMax, perMinuteMax, seconds, actor, reason, request = null } = order;
  return await carryOutOrder(db, {
    name: 'override_limits',
    text: 'SELECT override_limits($1, $2, $3, $4, $5, $6, $7) AS outcome',
    values: [pool, outstandingMax, perMinuteMax, seconds, actor, reason, request],
  });
}

export async function clearLimits(
  db: Connections,
  { pool, actor, reason, request }: ClearOrder,
): Promise<ControlOutcome> {
  return await carryOutOrder(db, {
    name: 'clear_limits',
    text: 'SELECT clear_limits($1, $2, $3, $4) AS outcome',
    values: [pool, actor, reason, request ?? null],
  });
}
