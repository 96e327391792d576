import { findBudgetLeft } from '../db/read-jobs.ts';
import type { Database } from '../db/pool.ts';
import type { Route } from '../domain/route.ts';
import { within } from './database-wait.ts';
import { fieldProblem, Problem } from './problem.ts';

/** Throws when the cap on spending leaves no room for a route. The grant pass keeps the cap; this only says so early. */
export type CheckSpendCap = (route: Route) => Promise<void>;

const freshMs = 1_000;
const readMsMax = 400;

export function createSpendCap(pool: Database, clock: () => number): CheckSpendCap {
  let left: number | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  return async function checkSpendCap(route) {
    if (clock() - readAt >= freshMs) await (reading ??= read());
    refuseOver(left, route[0]?.priceUsdMicros ?? null);
  };

  /** A database that does not answer is for the accept to find out: the last known figure will do here. */
  async function read(): Promise<void> {
    try {
      left = await within(findBudgetLeft(pool), readMsMax);
      readAt = clock();
    } catch {
      // Kept as it was, and read again by the next request.
    } finally {
      reading = undefined;
    }
  }
}

function refuseOver(left: number | null, priceUsdMicros: number | null): void {
  if (left === null) return;
  if (priceUsdMicros === null)
    throw fieldProblem(
      'value_not_supported',
      '/model',
      'The price is unknown, so the cap on spending can not be kept.',
    );
  if (priceUsdMicros <= left) return;
  const detail = 'The cap on spending leaves no room for this video. Ask the operator to raise it.';
  throw new Problem('spend_cap_reached', { detail, headers: { 'x-should-retry': 'false' } });
}
