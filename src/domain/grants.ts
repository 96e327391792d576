import { limits } from './limits.ts';

/** Everything the choice of grants depends on, read under the pool's lock. Times are milliseconds of the database. */
export interface PoolSnapshot {
  readonly now: number;
  /** Jobs that may be outstanding at the provider account, zombies included. */
  readonly outstandingMax: number;
  readonly outstanding: number;
  readonly perMinuteMax: number;
  /** GCRA's one timestamp: the earliest moment of the next start. */
  readonly nextStartAt: number;
  /** Submits that have not been answered yet; bounded, so that one hanging vendor can't fill the workers. */
  readonly submitting: number;
  readonly submittingMax: number;
  /** Permits whose mail should have arrived more than a second ago: their starts are still to come. */
  readonly undelivered: number;
  /** Workflows this process can take on now. */
  readonly startSlots: number;
  readonly overlapTokens: number;
  readonly overlapAt: number;
  /** What may still be committed in millionths of a US dollar. Null: no cap. */
  readonly budgetUsdMicros: number | null;
  /** The heads of the line, in order: priority class, then acceptance, overlaps last. */
  readonly waiting: readonly WaitingTicket[];
}

export interface WaitingTicket {
  readonly id: string;
  readonly overlap: boolean;
  /** The ticket may not be granted before this moment. */
  readonly notBefore: number;
  readonly priceUsdMicros: number | null;
}

/** Why a head of the line waits. The precedence is the order of this list (design.md 2.4). */
export type WaitReason =
  | 'not_yet'
  | 'budget'
  | 'capacity'
  | 'rate'
  | 'submitting'
  | 'undelivered'
  | 'workers'
  | 'failover_budget';

export interface Grants {
  readonly granted: readonly { readonly id: string; readonly startAt: number }[];
  readonly passedOver: readonly { readonly id: string; readonly reason: WaitReason }[];
  readonly nextStartAt: number;
  readonly overlapTokens: number;
  readonly committedUsdMicros: number;
}

/**
 * Picks the tickets that get a permit now, and says of every other head why not. Pure: the grant pass carries it out.
 *
 * The rate is GCRA (ITU-T I.371) with an emission interval of T = 60 s / per minute: a start is granted while the next
 * theoretical start lies within the horizon, so starts are smooth and a minute's edge allows no burst.
 */
export function chooseGrants(snapshot: PoolSnapshot): Grants {
  const intervalMs = 60_000 / snapshot.perMinuteMax;
  const granted: { id: string; startAt: number }[] = [];
  const passedOver: { id: string; reason: WaitReason }[] = [];
  let nextStartAt = sane(snapshot, intervalMs);
  let overlapTokens = refilled(snapshot);
  let committedUsdMicros = 0;

  for (const ticket of snapshot.waiting) {
    const reason = reasonToWait(ticket);
    if (reason !== undefined) {
      passedOver.push({ id: ticket.id, reason });
      continue;
    }
    const startAt = Math.max(nextStartAt, snapshot.now);
    granted.push({ id: ticket.id, startAt });
    nextStartAt = startAt + intervalMs;
    overlapTokens = ticket.overlap ? overlapTokens - 1 : earned(overlapTokens);
    committedUsdMicros += ticket.priceUsdMicros ?? 0;
  }
  return { granted, passedOver, nextStartAt, overlapTokens, committedUsdMicros };

  function reasonToWait(ticket: WaitingTicket): WaitReason | undefined {
    if (ticket.notBefore > snapshot.now) return 'not_yet';
    if (isOverBudget(ticket)) return 'budget';
    if (snapshot.outstanding + granted.length >= snapshot.outstandingMax) return 'capacity';
    if (isSpent(snapshot, nextStartAt)) return 'rate';
    if (snapshot.submitting + granted.length >= snapshot.submittingMax) return 'submitting';
    if (isBehind(snapshot)) return 'undelivered';
    if (granted.length >= Math.min(snapshot.startSlots, limits.grantsOfPassMax)) return 'workers';
    if (ticket.overlap && overlapTokens < 1) return 'failover_budget';
    return undefined;
  }

  /** A cap needs a price: a ticket without one can't be shown to keep it. */
  function isOverBudget(ticket: WaitingTicket): boolean {
    if (snapshot.budgetUsdMicros === null) return false;
    if (ticket.priceUsdMicros === null) return true;
    return committedUsdMicros + ticket.priceUsdMicros > snapshot.budgetUsdMicros;
  }
}

/** What is read of a pool without its lock. */
export type PoolGlance = Pick<
  PoolSnapshot,
  'now' | 'outstandingMax' | 'outstanding' | 'perMinuteMax' | 'nextStartAt' | 'submitting' | 'submittingMax'
>;

/** Whether a pass may find something to grant. It spares a pass in vain and allows nothing: that takes the lock. */
export function hasRoom(glance: PoolGlance): boolean {
  const nextStartAt = sane(glance, 60_000 / glance.perMinuteMax);
  const hasSlots = glance.outstanding < glance.outstandingMax && glance.submitting < glance.submittingMax;
  return hasSlots && !isSpent(glance, nextStartAt);
}

function isSpent({ now }: Pick<PoolSnapshot, 'now'>, nextStartAt: number): boolean {
  return nextStartAt > now + limits.grantHorizonMs;
}

/**
 * The rate is kept by the moments of the permits, so it holds at the POST only as long as mail arrives in time. What is
 * late goes out at once when Temporal is back; we stop granting when that is more than a second's worth of starts. So
 * what goes out at once is at most the starts of that second, of the second in which mail is not late yet, and of the
 * grant horizon. One late message never stops a pool, however slow it is: it may be one that nobody can deliver.
 */
function isBehind({ undelivered, perMinuteMax }: PoolSnapshot): boolean {
  return undelivered > Math.max(1, perMinuteMax / 60);
}

/** After a backward jump of the database's clock the next start would lie in a far future: begin anew. */
function sane({ now, nextStartAt }: Pick<PoolSnapshot, 'now' | 'nextStartAt'>, intervalMs: number): number {
  const furthest = now + limits.grantHorizonMs + 2 * intervalMs + 1_000;
  return nextStartAt > furthest ? now : nextStartAt;
}

/** The failover budget never starves a quiet system: a token a minute up to one, whatever the traffic. */
function refilled(snapshot: PoolSnapshot): number {
  const trickle = Math.max(0, snapshot.now - snapshot.overlapAt) / limits.overlapTokenEveryMs;
  return Math.max(snapshot.overlapTokens, Math.min(snapshot.overlapTokens + trickle, 1));
}

function earned(tokens: number): number {
  return Math.min(tokens + limits.overlapShareOfGrants, limits.overlapTokensMax);
}
