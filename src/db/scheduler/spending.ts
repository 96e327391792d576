import type pg from 'pg';
import { limits } from '../../domain/limits/limits.ts';
import type { BudgetNeed, TenantBudgets } from '../../domain/tenant-budgets.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/**
 * Folds what came back into what is committed, a bounded number at a time: of these tenants, or of all. Returns whether
 * there may be more.
 */
export async function foldSpendingRefunds(db: Database, tenants: readonly string[] | null = null): Promise<boolean> {
  const { rows } = await db.query<{ count: number }>({
    name: 'fold_spending_refunds',
    text: 'SELECT fold_spending_refunds($1, $2) AS count',
    values: [limits.refundsFoldedMax, tenants],
  });
  return only(rows, 'fold_spending_refunds').count === limits.refundsFoldedMax;
}

/**
 * SQL of a CTE that commits what the rows of `raised` (tenant, day, usd_micros) say. Their budgets are held since before the
 * statement began, so it sees them as they are.
 */
export const chargedBudgets = `charged_budgets AS (
    UPDATE spending SET committed_usd_micros = committed_usd_micros + sums.usd_micros
    FROM (
      SELECT tenant, its.period, its.starts_on, sum(usd_micros) AS usd_micros
      FROM raised CROSS JOIN LATERAL (VALUES
        ('day', day), ('month', date_trunc('month', day::timestamp)::date)) AS its(period, starts_on)
      GROUP BY 1, 2, 3
    ) AS sums
    WHERE spending.tenant = sums.tenant AND spending.period = sums.period AND spending.starts_on = sums.starts_on
  )`;

interface HeldRow {
  readonly needs: readonly (BudgetNeed & { readonly id: string })[];
  readonly budgets: readonly { readonly id: string; readonly leftUsdMicros: number }[];
  readonly tenants: readonly string[];
}

/**
 * Which of these tickets need more of their tenants' budgets than is reserved for them, as after a spill to a dearer target
 * or for a second attempt; and what those budgets leave, whose locks it takes: pool first, then these, then jobs. Where none
 * needs anything, nothing is locked.
 */
export async function holdTenantBudgets(
  connection: pg.PoolClient,
  tickets: readonly string[],
): Promise<TenantBudgets & { readonly tenants: readonly string[] }> {
  const { rows } = await connection.query<HeldRow>({
    name: 'hold_tenant_budgets',
    text: `WITH needy AS MATERIALIZED (
             SELECT tickets.id, tickets.tenant, budget_day(tickets.accepted_at) AS day,
                    price_usd_micros - coalesce(reserved_usd_micros, 0) AS missing
             FROM unnest($1::bigint[]) AS head(id)
             JOIN tickets ON tickets.id = head.id
             JOIN tenants ON tenants.id = tickets.tenant
             WHERE (tenants.day_budget_usd_micros IS NOT NULL OR tenants.month_budget_usd_micros IS NOT NULL)
               AND (price_usd_micros IS NULL OR price_usd_micros > coalesce(reserved_usd_micros, 0))
           ), held AS MATERIALIZED (
             SELECT * FROM hold_budgets(ARRAY(SELECT tenant FROM needy ORDER BY id), ARRAY(SELECT day FROM needy ORDER BY id))
           )
           SELECT
             (SELECT coalesce(json_agg(json_build_object('id', id::text, 'usdMicros', missing, 'budgets', json_build_array(
                       concat_ws(' ', tenant, 'day', day),
                       concat_ws(' ', tenant, 'month', date_trunc('month', day::timestamp)::date)))), '[]') FROM needy) AS needs,
             (SELECT coalesce(json_agg(json_build_object(
                       'id', concat_ws(' ', tenant, period, starts_on), 'leftUsdMicros', left_usd_micros)), '[]')
              FROM held WHERE left_usd_micros IS NOT NULL) AS budgets,
             (SELECT coalesce(json_agg(DISTINCT tenant), '[]') FROM held) AS tenants`,
    values: [tickets],
  });
  const { needs, budgets, tenants } = only(rows, 'hold_tenant_budgets');
  return {
    needs: new Map(needs.map(({ id, ...need }) => [id, need])),
    leftUsdMicros: new Map(budgets.map(({ id, leftUsdMicros }) => [id, leftUsdMicros])),
    tenants,
  };
}
