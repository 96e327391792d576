import { createFairOrder, type Flow, type ServedFlow } from './fair-order.ts';
import type { Lane, TenantShare } from './lanes.ts';
import { limits } from './limits/limits.ts';
import { openRooms, type PlaceKey, type SpillState } from './spill-room.ts';
import { type KeyedFlow, keysOf, openTab } from './tab.ts';
import { type BudgetNeed, openPurse } from './tenant-budgets.ts';

/** A ticket that may leave its line now: it has waited long enough, or its target is drained, or does not admit everybody. */
export interface SpillTicket {
  readonly id: string;
  /** The other targets of its job's route that were not tried yet, in the route's order. */
  readonly options: readonly SpillOption[];
}

export interface SpillOption extends PlaceKey {
  /** Index into the route. */
  readonly index: number;
  /** What it asks beyond what is reserved for the ticket, of its tenant's budgets. Absent: nothing. */
  readonly need?: BudgetNeed;
}

export interface SpillOverlap extends SpillTicket {
  readonly target: string;
}

export interface SpillSnapshot extends SpillState {
  /** Where they wait. */
  readonly pool: string;
  readonly lanes: readonly Lane[];
  /** As a grant pass would serve them, but for tickets that may not leave. */
  readonly flows: readonly Flow<SpillTicket>[];
  /** Second attempts whose target is left alone, the oldest first. They yield to everybody else. */
  readonly overlaps: readonly SpillOverlap[];
  /** What budgets of tenants leave, in millionths of a US dollar. Of those that are not in it as much as there is. */
  readonly leftUsdMicros?: ReadonlyMap<string, number>;
}

export interface Spill {
  readonly id: string;
  /** Index into the route. */
  readonly index: number;
  /** `drain`: an operator has its target drained. `breaker`: that does not admit it. `spill`: it has waited long enough. */
  readonly reason: 'drain' | 'breaker' | 'spill';
}

export interface Spills {
  readonly moves: readonly Spill[];
  /** Those who have tried every other target: they have nowhere to go, ever. */
  readonly stranded: readonly string[];
  /** Those who could only go where their tenants can't pay for them: they stay where they are paid for. */
  readonly unaffordable: readonly string[];
  /** The classes and flows that have left for another account, charged for it as for a grant. */
  readonly lanes: readonly Lane[];
  readonly flows: readonly Omit<ServedFlow, 'served' | 'emptied'>[];
  readonly shares: readonly TenantShare[];
}

/**
 * Picks the tickets that go to another target, in fair order: those that their own target can serve now stay, and each
 * of the others goes to the first target of its route that has room. Who leaves for another account is charged here as
 * well, so that the next pass goes on with the others; within an account the grant will be charge enough.
 */
export function chooseSpills(snapshot: SpillSnapshot): Spills {
  const { pool } = snapshot;
  const rooms = openRooms(snapshot);
  const purse = openPurse(snapshot.leftUsdMicros);
  const flows = snapshot.flows.map((flow) => ({
    ...flow,
    heads: flow.heads.filter(canGo({ pool, name: flow.target })),
  }));
  const flowOf = new Map(flows.flatMap((flow) => flow.heads.map(({ id }) => [id, flow])));
  const order = createFairOrder({ lanes: snapshot.lanes, flows });
  const tab = openTab(snapshot.lanes);
  const charged = new Map<string, KeyedFlow>();
  const moves: Spill[] = [];

  for (let turn = order.next(); turn !== undefined; turn = order.next()) {
    const { ticket } = turn;
    const from = { pool, name: turn.target };
    const stays = rooms.stays(from);
    const goal = stays ? undefined : move(ticket, from);
    const flow = flowOf.get(ticket.id);
    if (goal !== undefined && goal.pool !== pool && flow !== undefined) charge({ flow, ...keysOf(flow) });
    if (stays || goal !== undefined) turn.serve();
    else if (ticket.options.some((option) => rooms.hasRoom(option, from))) turn.stepOver();
    else turn.skip();
  }
  for (const overlap of snapshot.overlaps) move(overlap, { pool, name: overlap.target });
  return {
    moves,
    stranded: ticketsOf(snapshot).flatMap(({ id, options }) => (options.length === 0 ? [id] : [])),
    unaffordable: unaffordable(),
    lanes: tab.lanes().filter((lane) => !snapshot.lanes.includes(lane)),
    flows: [...charged.values()].map(chargedFlow),
    shares: tab.shares(),
  };

  function charge(keyed: KeyedFlow): void {
    tab.charge(keyed, true);
    charged.set(keyed.key, keyed);
  }

  function chargedFlow(keyed: KeyedFlow): Spills['flows'][number] {
    const { class: index, tenant, caller } = keyed.flow;
    return { class: index, tenant, caller, tag: tab.tagOf(keyed) };
  }

  function canGo(from: PlaceKey): (ticket: SpillTicket) => boolean {
    return ({ options }) => options.some((option) => rooms.hasRoom(option, from) && purse.fits(option.need));
  }

  function unaffordable(): readonly string[] {
    const moved = new Set(moves.map(({ id }) => id));
    const stuck = ticketsOf(snapshot).filter(
      ({ id, options }) => options.length > 0 && !moved.has(id) && !options.some(({ need }) => purse.fits(need)),
    );
    return stuck.map(({ id }) => id);
  }

  function move({ id, options }: SpillTicket, from: PlaceKey): SpillOption | undefined {
    const goal = options.find((option) => rooms.hasRoom(option, from) && purse.fits(option.need));
    if (goal === undefined || moves.length >= limits.spillsOfPassMax) return undefined;
    rooms.take(goal);
    purse.draw(goal.need);
    moves.push({ id, index: goal.index, reason: reasonToLeave(from) });
    return goal;
  }

  function reasonToLeave(from: PlaceKey): Spill['reason'] {
    if (rooms.isDrained(from)) return 'drain';
    return rooms.isOpen(from) ? 'breaker' : 'spill';
  }
}

function ticketsOf({ flows, overlaps }: SpillSnapshot): readonly SpillTicket[] {
  return [...flows.flatMap(({ heads }) => heads), ...overlaps];
}
