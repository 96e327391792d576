import { createFairOrder, type Flow, type ServedFlow, type Turn } from './fair-order.ts';
import type { TenantShare, Lane } from './lanes.ts';
import { limits } from './limits/limits.ts';
import { intervalMs, isSpent, type Rate, sound, startsLeft } from './rate.ts';
import { openTenantBudgets, type TenantBudgets } from './tenant-budgets.ts';

/** Everything the choice of grants depends on, read under the pool's lock. Times are milliseconds of the database. */
export interface PoolSnapshot extends PoolState {
  /** What may still be committed in millionths of a US dollar. Null: no cap. */
  readonly budgetUsdMicros: number | null;
  /** What tenants' own budgets have to say. Absent: nothing. */
  readonly tenantBudgets?: TenantBudgets;
  readonly lanes: readonly Lane[];
  /** The flows whose turn is next, of each class and target the first few. Of equal tags the older comes first. */
  readonly flows: readonly Flow<WaitingTicket>[];
  /** Second attempts beside live ones, the oldest first. They yield to everybody else. */
  readonly overlaps: readonly WaitingOverlap[];
}

/** What a pool has and may do, apart from who waits for it. */
export interface PoolState extends Rate {
  readonly now: number;
  /** Jobs that may be outstanding at the provider account, zombies included. */
  readonly outstandingMax: number;
  readonly outstanding: number;
  /** The account has asked us to stay away until then. */
  readonly pausedUntil: number;
  /** An operator has paused the pool. Absent: nobody has. */
  readonly isHeld?: boolean;
  /** Submits that have not been answered yet; bounded, so that one hanging vendor can't fill the workers. */
  readonly submitting: number;
  readonly submittingMax: number;
  /** Permits whose mail should have arrived more than a second ago: their starts are still to come. */
  readonly undelivered: number;
  /** Workflows this process can take on now. */
  readonly startSlots: number;
  readonly overlapTokens: number;
  readonly overlapAt: number;
  readonly targets: readonly TargetState[];
}

/** A target's own limits, beside those of its pool. */
export interface TargetState {
  readonly name: string;
  readonly outstandingMax: number | null;
  readonly outstanding: number;
  readonly perMinuteMax: number | null;
  readonly nextStartAt: number;
  /** How many attempts its breakers admit at once. Null: any number; 0: none. */
  readonly admits: number | null;
  /** How many of those are under way. */
  readonly probing: number;
  /** An operator has paused or drained the target. Absent: nobody has. */
  readonly isHeld?: boolean;
}

export interface WaitingTicket {
  readonly id: string;
  readonly priceUsdMicros: number | null;
}

export interface WaitingOverlap extends WaitingTicket {
  readonly target: string;
  /** The target that it leaves is known to be at fault: that costs nothing of the failover budget. */
  readonly isWaived: boolean;
}

/**
 * Why a head of the line waits. The precedence is the order of this list (design.md 2.4): `operator` somebody has paused its
 * target or its pool; `breaker` its target is left
 * alone for its failures; `capacity`, `target_capacity` every slot of the account, of the target is taken; `paused` the
 * account asked us to stay away; `rate`, `target_rate` starts are spaced; the rest is our own.
 */
export const waitReasons = [
  'operator',
  'budget',
  'breaker',
  'capacity',
  'target_capacity',
  'paused',
  'rate',
  'target_rate',
  'submitting',
  'undelivered',
  'workers',
  'failover_budget',
] as const;
export type WaitReason = (typeof waitReasons)[number];

export interface Grants {
  readonly granted: readonly Grant[];
  readonly passedOver: readonly PassedOver[];
  /** Those of them that their own tenant's budget keeps: it says nothing of the others in their line. */
  readonly overTenantBudget: readonly string[];
  readonly lanes: readonly Lane[];
  readonly flows: readonly ServedFlow[];
  readonly shares: readonly TenantShare[];
  readonly nextStartAt: number;
  /** The earliest next starts of the targets that were granted at and have a rate of their own. */
  readonly targetsNextStartAt: ReadonlyMap<string, number>;
  readonly overlapTokens: number;
}

export interface Grant {
  readonly id: string;
  readonly target: string;
  readonly startAt: number;
}

export interface PassedOver {
  readonly id: string;
  readonly target: string;
  readonly reason: WaitReason;
}

/**
 * Picks the tickets that get a permit now, in fair order, and says of every other head why not. Pure: the grant pass
 * carries it out.
 */
export function chooseGrants(snapshot: PoolSnapshot): Grants {
  const ledger = openLedger(snapshot);
  const { lanes, flows } = snapshot;
  const order = createFairOrder({ lanes, flows, isClosed: ledger.isClosed });
  const granted: Grant[] = [];
  const passedOver: PassedOver[] = [];
  const overTenantBudget: string[] = [];
  const decide = (ticket: WaitingTicket & { target: string }, own?: WaitReason): boolean => {
    const { id, target } = ticket;
    if (ledger.isOverTenantBudget(id)) overTenantBudget.push(id);
    const reason = ledger.reasonToWait(target, ticket) ?? own;
    if (reason === undefined) granted.push({ id, target, startAt: ledger.charge(target, ticket) });
    else passedOver.push({ id, target, reason });
    return reason === undefined;
  };

  for (let turn = order.next(); turn !== undefined && !ledger.isFull(); turn = order.next()) take(turn);
  for (const { ticket, target } of order.rest()) decide({ ...ticket, target });
  for (const overlap of snapshot.overlaps) {
    const isOverBudget = !overlap.isWaived && ledger.overlapTokens < 1;
    if (decide(overlap, isOverBudget ? 'failover_budget' : undefined) && !overlap.isWaived) ledger.overlapTokens -= 1;
  }
  const { nextStartAt, overlapTokens, targetsNextStartAt } = ledger;
  return {
    granted,
    passedOver,
    overTenantBudget,
    lanes: order.lanes(),
    flows: order.flows(),
    shares: order.shares(),
    nextStartAt,
    targetsNextStartAt: targetsNextStartAt(),
    overlapTokens,
  };

  function take({ ticket, target, serve, skip, stepOver }: Turn<WaitingTicket>): void {
    if (decide({ ...ticket, target })) {
      serve();
      ledger.overlapTokens = earned(ledger.overlapTokens);
    } else if (ledger.isOverTenantBudget(ticket.id)) {
      // It waits for itself alone: whoever is behind it may be paid for.
      stepOver();
    } else {
      skip();
    }
  }
}

/** How many tickets a pass can grant at most, so many heads it reads; and of which targets. */
export function roomOf(state: PoolState): { readonly count: number; readonly targets: readonly string[] } {
  const pool = sound(state, state.now);
  const isStopped = state.isHeld === true || state.pausedUntil > state.now || isBehind(state);
  const count = Math.min(
    state.outstandingMax - state.outstanding,
    state.submittingMax - state.submitting,
    state.startSlots,
    limits.grantsOfPassMax,
    startsLeft(pool, state.now),
  );
  const ledger = openLedger({ ...state, budgetUsdMicros: null });
  const targets = state.targets.filter(({ name }) => !ledger.isClosed(name)).map(({ name }) => name);
  return { count: isStopped ? 0 : Math.max(0, count), targets };
}

/** What is read of a pool without its lock. */
export type PoolGlance = Rate &
  Pick<PoolState, 'now' | 'outstandingMax' | 'outstanding' | 'submitting' | 'submittingMax'>;

/** Whether a pass may find something to grant. It spares a pass in vain and allows nothing: that takes the lock. */
export function hasRoom(glance: PoolGlance): boolean {
  const hasSlots = glance.outstanding < glance.outstandingMax && glance.submitting < glance.submittingMax;
  return hasSlots && !isSpent(sound(glance, glance.now), glance.now);
}

/** Counts what a pass commits, as it goes. */
function openLedger(snapshot: PoolState & Pick<PoolSnapshot, 'budgetUsdMicros' | 'tenantBudgets'>) {
  const { now } = snapshot;
  const pool = { ...sound(snapshot, now), granted: 0 };
  const targets = new Map(snapshot.targets.map((target) => [target.name, openTarget(target, now)]));
  const tenants = openTenantBudgets(snapshot.tenantBudgets);
  let committedUsdMicros = 0;

  return {
    overlapTokens: refilled(snapshot),
    get nextStartAt() {
      return pool.nextStartAt;
    },
    targetsNextStartAt: () =>
      new Map(
        [...targets].flatMap(([name, { rate, granted }]) => (rate && granted > 0 ? [[name, rate.nextStartAt]] : [])),
      ),
    /** Nobody is served at the target now, whoever it is. */
    isClosed: (name: string) => targetReason(name) !== undefined,
    /** Nobody is served in the pool any more. */
    isFull: () => poolReason() !== undefined,
    isOverTenantBudget: (id: string) => tenants.isOver(id),
    reasonToWait(name: string, { id, priceUsdMicros }: WaitingTicket): WaitReason | undefined {
      const reason = morePressing(targetReason(name), poolReason());
      const isTooDear = isOverBudget(priceUsdMicros) || tenants.isOver(id);
      return isTooDear ? morePressing('budget', reason) : reason;
    },
    /** Notes a grant, and says when it may start. */
    charge(name: string, { id, priceUsdMicros }: WaitingTicket): number {
      const target = targets.get(name);
      const startAt = Math.max(pool.nextStartAt, target?.rate?.nextStartAt ?? 0, now);
      pool.nextStartAt = startAt + intervalMs(pool);
      pool.granted += 1;
      committedUsdMicros += priceUsdMicros ?? 0;
      tenants.charge(id);
      if (target === undefined) return startAt;
      target.granted += 1;
      if (target.rate) target.rate = { ...target.rate, nextStartAt: startAt + intervalMs(target.rate) };
      return startAt;
    },
  };

  function poolReason(): WaitReason | undefined {
    if (snapshot.isHeld === true) return 'operator';
    if (snapshot.outstanding + pool.granted >= snapshot.outstandingMax) return 'capacity';
    if (snapshot.pausedUntil > now) return 'paused';
    if (isSpent(pool, now)) return 'rate';
    if (snapshot.submitting + pool.granted >= snapshot.submittingMax) return 'submitting';
    if (isBehind(snapshot)) return 'undelivered';
    if (pool.granted >= Math.min(snapshot.startSlots, limits.grantsOfPassMax)) return 'workers';
    return undefined;
  }

  function targetReason(name: string): 'operator' | 'breaker' | 'target_capacity' | 'target_rate' | undefined {
    const target = targets.get(name);
    if (target === undefined) return undefined;
    const { admits, probing, outstanding, outstandingMax, isHeld } = target.state;
    if (isHeld === true) return 'operator';
    if (admits !== null && probing + target.granted >= admits) return 'breaker';
    if (outstandingMax !== null && outstanding + target.granted >= outstandingMax) return 'target_capacity';
    return target.rate && isSpent(target.rate, now) ? 'target_rate' : undefined;
  }

  /** A cap needs a price: a ticket without one can't be shown to keep it. */
  function isOverBudget(priceUsdMicros: number | null): boolean {
    if (snapshot.budgetUsdMicros === null) return false;
    if (priceUsdMicros === null) return true;
    return committedUsdMicros + priceUsdMicros > snapshot.budgetUsdMicros;
  }
}

function morePressing(one: WaitReason | undefined, other: WaitReason | undefined): WaitReason | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return waitReasons.indexOf(one) < waitReasons.indexOf(other) ? one : other;
}

interface OpenTarget {
  readonly state: TargetState;
  granted: number;
  rate: Rate | undefined;
}

function openTarget(state: TargetState, now: number): OpenTarget {
  const { perMinuteMax, nextStartAt } = state;
  const rate = perMinuteMax === null ? undefined : sound({ perMinuteMax, nextStartAt }, now);
  return { state, granted: 0, rate };
}

/**
 * The rate is kept by the moments of the permits, so it holds at the POST only as long as mail arrives in time. What is
 * late goes out at once when Temporal is back; we stop granting when that is more than a second's worth of starts. So
 * what goes out at once is at most the starts of that second, of the second in which mail is not late yet, and of the
 * grant horizon. One late message never stops a pool, however slow it is: it may be one that nobody can deliver.
 */
function isBehind({ undelivered, perMinuteMax }: Pick<PoolState, 'undelivered' | 'perMinuteMax'>): boolean {
  return undelivered > Math.max(1, perMinuteMax / 60);
}

/** The failover budget never starves a quiet system: a token a minute up to one, whatever the traffic. */
function refilled(snapshot: Pick<PoolState, 'now' | 'overlapAt' | 'overlapTokens'>): number {
  const trickle = Math.max(0, snapshot.now - snapshot.overlapAt) / limits.overlapTokenEveryMs;
  return Math.max(snapshot.overlapTokens, Math.min(snapshot.overlapTokens + trickle, 1));
}

function earned(tokens: number): number {
  return Math.min(tokens + limits.overlapShareOfGrants, limits.overlapTokensMax);
}
