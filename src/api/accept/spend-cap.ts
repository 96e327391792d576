import { findBudgetLeft } from '../../db/tenants/budget.ts';
import type { Database } from '../../db/pool.ts';
import type { Route } from '../../domain/route.ts';
import { within } from '../database-wait.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';

/** What the cap on spending leaves, as it was a moment ago. The grant pass keeps the cap; this only tells of it early. */
export interface SpendCap {
  /** Millionths of a US dollar. Null: there is no cap. Never rejects. */
  leftUsdMicros(): Promise<number | null>;
  /** Throws when the cap leaves no room for a route. */
  check(route: Route): Promise<void>;
}

const freshMs = 1_000;
const readMsMax = 400;

export function createSpendCap(pool: Database, clock: () => number): SpendCap {
  let left: number | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  return {
    leftUsdMicros,
    async check(route) {
      refuseOver(await leftUsdMicros(), route[0]?.priceUsdMicros ?? null);
    },
  };

  async function leftUsdMicros(): Promise<number | null> {
    if (clock() - readAt >= freshMs) await (reading ??= read());
    return left;
  }

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

/** A cap needs a price: what has none can't be shown to keep it. */
export function isOver(leftUsdMicros: number | null, priceUsdMicros: number | null): boolean {
  return leftUsdMicros !== null && (priceUsdMicros === null || priceUsdMicros > leftUsdMicros);
}

function refuseOver(leftUsdMicros: number | null, priceUsdMicros: number | null): void {
  if (!isOver(leftUsdMicros, priceUsdMicros)) return;
  if (priceUsdMicros === null)
    throw fieldProblem(
      'value_not_supported',
      '/model',
      'The price is unknown, so the cap on spending can not be kept.',
    );
  const detail = 'The cap on spending leaves no room for this video. Ask the operator to raise it.';
  throw new Problem('spend_cap_reached', { detail });
}
