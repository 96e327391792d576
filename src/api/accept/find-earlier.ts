import { findReplay, type Replay } from './accept-jobs.ts';
import type { AppDeps } from '../deps.ts';
import { invitesRetry, type Problem } from '../problems/problem.ts';
import type { Order } from './read-order.ts';
import type { RetryInference } from './retry-inference.ts';

export interface EarlierDeps {
  readonly app: Pick<AppDeps, 'pool'>;
  readonly retries: RetryInference;
}

interface RefusedOrder {
  readonly order: Order;
  readonly refusal: Problem;
}

/** The answer that a request was given before, for one that is to be refused now. Undefined: there was none. */
export async function findEarlier(
  { app, retries }: EarlierDeps,
  { order, refusal }: RefusedOrder,
): Promise<Replay | undefined> {
  if (order.idempotency !== null) return await order.wait.answered(findReplay(app.pool, order));
  // A first try has nothing before it. It is noted where its client will come again: its retry would be taken for one of
  // another request that is alike, and its video never made.
  if ((order.tried?.retry ?? 0) === 0 && !invitesRetry(refusal)) return undefined;
  const { standing } = await retries.resolve(order);
  return standing && { kind: 'replayed', standing };
}
