import type { BudgetRefusal } from '../../db/jobs/accept.ts';
import type { TenantLimits } from '../../domain/tenant.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';

/** Whether what a tenant may spend is limited. A target whose price is unknown is not for such a tenant. */
export function hasBudget({ dayBudgetUsdMicros, monthBudgetUsdMicros }: TenantLimits): boolean {
  return dayBudgetUsdMicros !== null || monthBudgetUsdMicros !== null;
}

/** Why a tenant's budget refuses a job. To send it again at once is in vain, so clients are told not to. */
export function budgetProblem(refusal: BudgetRefusal): Problem {
  if (refusal.kind === 'price_unknown')
    return fieldProblem(
      'value_not_supported',
      '/model',
      'Its price is unknown, so no budget can be kept. Choose another.',
    );
  const { period, leftUsdMicros, priceUsdMicros, endsOn } = refusal;
  const detail =
    `This video needs ${usd(priceUsdMicros)} USD, and the budget of the ${period} leaves ${usd(Math.max(leftUsdMicros, 0))} USD. ` +
    `The next ${period} begins at ${endsOn}T00:00:00Z; or ask the operator for a larger budget.`;
  return new Problem('budget_exceeded', { detail });
}

/** As precise as prices are: a rounded figure could say that what is left would do. */
function usd(micros: number): string {
  return (micros / 1e6).toFixed(6).replace(/0{1,4}$/, '');
}
