/** The budgets of tenants, as far as tickets need more of them than is reserved for them already. */
export interface TenantBudgets {
  /** By ticket. Whoever is not in it needs nothing more. */
  readonly needs: ReadonlyMap<string, BudgetNeed>;
  /** By budget, in millionths of a US dollar. A budget that is not in it is not limited. */
  readonly leftUsdMicros: ReadonlyMap<string, number>;
}

export interface BudgetNeed {
  /** Null: unknown, so no budget can be shown to keep it. */
  readonly usdMicros: number | null;
  /** Those it has to fit, each of them. */
  readonly budgets: readonly string[];
}

export interface OpenTenantBudgets {
  /** Whether a ticket needs more than they leave. */
  isOver(id: string): boolean;
  /** Notes that it was granted. */
  charge(id: string): void;
}

/** Counts what a pass draws on them, as it goes. */
export function openTenantBudgets(budgets: TenantBudgets | undefined): OpenTenantBudgets {
  const left = new Map(budgets?.leftUsdMicros);
  return {
    isOver(id: string): boolean {
      const need = budgets?.needs.get(id);
      if (need === undefined) return false;
      const { usdMicros } = need;
      return usdMicros === null || need.budgets.some((budget) => usdMicros > (left.get(budget) ?? Infinity));
    },
    charge(id: string): void {
      const need = budgets?.needs.get(id);
      for (const budget of need?.budgets ?? [])
        left.set(budget, (left.get(budget) ?? Infinity) - (need?.usdMicros ?? 0));
    },
  };
}
