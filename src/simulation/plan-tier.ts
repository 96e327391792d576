import { Backlog } from './backlog.ts';
import type { TierOutcome, TierPlan } from './tier-plan.ts';

/** Plays a backlog through one account, pass by pass, in virtual time. */
export function planTier(plan: TierPlan): TierOutcome {
  const backlog = new Backlog(plan);
  backlog.drain();
  return backlog.outcome();
}
