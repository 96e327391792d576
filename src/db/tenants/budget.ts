import type { Database } from '../pool.ts';

/** What is left under the cap on spending, in millionths of a US dollar. Null: there is no cap. */
export async function findBudgetLeft(db: Database): Promise<number | null> {
  const { rows } = await db.query<{ left: number | null }>({
    name: 'find_budget_left',
    text: `SELECT (cap_usd_micros - committed_usd_micros
                   + (SELECT coalesce(sum(usd_micros), 0) FROM refunds WHERE budget = budgets.id))::float8 AS left
           FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL`,
  });
  return rows[0]?.left ?? null;
}
