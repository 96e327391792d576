import { levelNames, type LimitsOfPool, limitsOfPool } from '../../catalogue/pools.ts';
import { plan as planRoute } from '../../catalogue/plan.ts';
import type { Catalogue } from '../../catalogue/schema.ts';
import { readDurations } from '../../domain/durations.ts';
import type { RouteTarget } from '../../domain/route.ts';
import type { Arrival } from '../../simulation/arrivals.ts';
import { planTier } from '../../simulation/plan-tier.ts';
import type { TierOutcome } from '../../simulation/tier-plan.ts';

export interface PlanWish {
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
  readonly tier: string | undefined;
  readonly arrivals: readonly Arrival[];
  readonly realShare: number;
  readonly queueTtlSeconds: number;
  readonly seed: number;
  readonly submittingMax: number;
}

/** What would become of a backlog at one account. Figures as the JSON of the command has them. */
export interface AccountPlan {
  readonly account: string;
  readonly target: string;
  readonly is_wished: boolean;
  readonly outstanding: number;
  readonly per_minute: number;
  readonly jobs: number;
  readonly served: number;
  readonly failed: number;
  /** Seconds from accept to the grant. Null: nobody was served. */
  readonly wait_seconds: Readonly<Record<'p50' | 'p80' | 'p95' | 'p99' | 'max', number | null>>;
  readonly drain_seconds: number;
  /** Null: the catalogue has no price. */
  readonly cost_usd: number | null;
  readonly submits: number;
  readonly refusals_429: number;
  /** Null: nobody had to wait. */
  readonly utilisation: number | null;
}

/** No plan can be made of what was asked for. */
class PlanWishError extends Error {
  override name = 'PlanWishError';
}

/** The backlog at the first target of the model, at every level of its account, or at the one that it has. */
export function planAccounts(catalogue: Catalogue, wish: PlanWish): readonly AccountPlan[] {
  const target = targetOf(catalogue, wish);
  const accounts = accountsOf(catalogue, target, wish);
  return accounts.map(({ name, limits }) => {
    const { outstanding: outstandingMax, per_minute: perMinuteMax } = limits;
    const outcome = planTier({ ...wish, target, durations: readDurations({}, target), outstandingMax, perMinuteMax });
    return accountPlan({ name, limits, target, outcome }, wish);
  });
}

function targetOf(catalogue: Catalogue, { model, seconds, size }: PlanWish): RouteTarget {
  const traits = { callbacks: true, cancelMeans: 'none' } as const;
  const providers = new Map(Object.keys(catalogue.providers).map((name) => [name, traits]));
  const settings = { providers, pricesNeeded: false };
  const planned = planRoute(catalogue, settings, {
    request: { model, seconds, size, hasImage: false },
    fallback: 'none',
  });
  if (planned.kind === 'refused') {
    const allowed = planned.allowed === undefined ? '' : ` Allowed: ${planned.allowed.join(', ')}.`;
    throw new PlanWishError(`${planned.pointer.slice(1)}: ${planned.message}${allowed}`);
  }
  const [target] = planned.route;
  if (target === undefined) throw new PlanWishError(`The model ${model} has no target. Choose another one.`);
  return target;
}

interface Account {
  readonly name: string;
  readonly limits: LimitsOfPool;
}

function accountsOf({ providers }: Catalogue, target: RouteTarget, { tier }: PlanWish): readonly Account[] {
  const pool = providers[target.provider]?.pools[target.pool];
  if (pool === undefined) throw new PlanWishError(`The catalogue has no pool ${target.pool} for ${target.name}.`);
  if (tier !== undefined && !levelNames.includes(tier))
    throw new PlanWishError(`--tier has to be one of ${levelNames.join(', ')}, not "${tier.slice(0, 40)}".`);
  if ('preset' in pool) return levelNames.map((name) => ({ name, limits: limitsOfPool(pool, name) }));
  if (tier !== undefined)
    throw new PlanWishError(
      `The account of ${target.provider} has no levels. Leave --tier out to plan with its own limits.`,
    );
  return [{ name: target.provider, limits: limitsOfPool(pool) }];
}

interface Planned extends Account {
  readonly target: RouteTarget;
  readonly outcome: TierOutcome;
}

function accountPlan({ name, limits, target, outcome }: Planned, { tier, arrivals }: PlanWish): AccountPlan {
  const { waitsMs, served, failed, submits, refusals, drainMs, utilisation } = outcome;
  const wait = (share: number): number | null => quantileSeconds(waitsMs, share);
  const price = target.priceUsdMicros;
  return {
    account: name,
    target: target.name,
    is_wished: name === tier,
    ...limits,
    jobs: arrivals.reduce((sum, { count }) => sum + count, 0),
    served,
    failed,
    wait_seconds: { p50: wait(0.5), p80: wait(0.8), p95: wait(0.95), p99: wait(0.99), max: wait(1) },
    drain_seconds: Math.round(drainMs / 1_000),
    cost_usd: price === null ? null : Math.round((served * price) / 10_000) / 100,
    submits,
    refusals_429: refusals,
    utilisation: utilisation === null ? null : Math.round(utilisation * 1_000) / 1_000,
  };
}

function quantileSeconds(ascending: readonly number[], share: number): number | null {
  const index = Math.min(Math.max(Math.ceil(ascending.length * share) - 1, 0), ascending.length - 1);
  const ms = ascending[index];
  return ms === undefined ? null : Math.round(ms / 100) / 10;
}
