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

/** Budgets that are drawn on. */
export interface Purse {
  /** Whether they leave what is needed. Undefined: nothing is. */
  fits(need: BudgetNeed | undefined): boolean;
  draw(need: BudgetNeed | undefined): void;
}

export interface OpenTenantBudgets {
  /** Whether a ticket needs more than they leave. */
  isOver(id: string): boolean;
  /** Notes that it was granted. */
  charge(id: string): void;
}

/** Counts what a pass draws on them, as it goes. */
export function openTenantBudgets(budgets: TenantBudgets | undefined): OpenTenantBudgets {
  const purse = openPurse(budgets?.leftUsdMicros);
  return {
    isOver: (id) => !purse.fits(budgets?.needs.get(id)),
    charge: (id) => purse.draw(budgets?.needs.get(id)),
  };
}

/** By budget what is left of it. One that is not in it is not limited. */
export function openPurse(leftUsdMicros: ReadonlyMap<string, number> = new Map()): Purse {
  const left = new Map(leftUsdMicros);
  return {
    fits(need) {
      if (need === undefined) return true;
      const { usdMicros, budgets } = need;
      return usdMicros !== null && budgets.every((budget) => usdMicros <= (left.get(budget) ?? Infinity));
    },
    draw(need) {
      for (const budget of need?.budgets ?? [])
        left.set(budget, (left.get(budget) ?? Infinity) - (need?.usdMicros ?? 0));
    },
  };
}
