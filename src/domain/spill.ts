import { createFairOrder, type Flow, type Lane, type ServedFlow, type TenantShare, weightOf } from './fair-order.ts';
import { limits } from './limits.ts';
import { openRooms, type PlaceKey, type SpillState } from './spill-room.ts';

/** A ticket that may leave its line now: it has waited long enough, or its target's breakers do not admit everybody. */
export interface SpillTicket {
  readonly id: string;
  /** The other targets of its job's route that were not tried yet, in the route's order. */
  readonly options: readonly SpillOption[];
}

export interface SpillOption extends PlaceKey {
  /** Index into the route. */
  readonly index: number;
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
}

export interface Spill {
  readonly id: string;
  /** Index into the route. */
  readonly index: number;
  /** `breaker`: its target does not admit it. `spill`: it has waited long enough. */
  readonly reason: 'breaker' | 'spill';
}

export interface Spills {
  readonly moves: readonly Spill[];
  /** Those who have tried every other target: they have nowhere to go, ever. */
  readonly stranded: readonly string[];
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
  const flows = snapshot.flows.map((flow) => ({
    ...flow,
    heads: flow.heads.filter(canGo({ pool, name: flow.target })),
  }));
  const flowOf = new Map(flows.flatMap((flow) => flow.heads.map(({ id }) => [id, flow])));
  const order = createFairOrder({ lanes: snapshot.lanes, flows });
  const tab = openTab(snapshot.lanes);
  const moves: Spill[] = [];

  for (let turn = order.next(); turn !== undefined; turn = order.next()) {
    const { ticket } = turn;
    const from = { pool, name: turn.target };
    const stays = rooms.stays(from);
    const goal = stays ? undefined : move(ticket, from);
    const flow = flowOf.get(ticket.id);
    if (goal !== undefined && goal.pool !== pool && flow !== undefined) tab.charge(flow);
    if (stays || goal !== undefined) turn.serve();
    else turn.skip();
  }
  for (const overlap of snapshot.overlaps) move(overlap, { pool, name: overlap.target });
  return { moves, stranded: strandedOf(snapshot), ...tab.charged() };

  function canGo(from: PlaceKey): (ticket: SpillTicket) => boolean {
    return ({ options }) => options.some((option) => rooms.hasRoom(option, from));
  }

  function move({ id, options }: SpillTicket, from: PlaceKey): SpillOption | undefined {
    const goal = options.find((option) => rooms.hasRoom(option, from));
    if (goal === undefined || moves.length >= limits.spillsOfPassMax) return undefined;
    rooms.take(goal);
    moves.push({ id, index: goal.index, reason: rooms.isOpen(from) ? 'breaker' : 'spill' });
    return goal;
  }
}

function strandedOf({ flows, overlaps }: SpillSnapshot): readonly string[] {
  const tickets = [...flows.flatMap(({ heads }) => heads), ...overlaps];
  return tickets.filter(({ options }) => options.length === 0).map(({ id }) => id);
}

/** What classes and flows have become: only those that were charged. */
function openTab(given: readonly Lane[]) {
  const lanes = new Map(given.map((lane) => [lane.class, lane]));
  const flows = new Map<string, Omit<ServedFlow, 'served' | 'emptied'>>();
  const shares = new Map<string, TenantShare>();
  return {
    charge(flow: Flow<SpillTicket>): void {
      const { class: index, tenant, caller } = flow;
      const lane = lanes.get(index);
      if (lane === undefined) return;
      const [key, tenantKey] = [JSON.stringify([index, tenant, caller]), JSON.stringify([index, tenant])];
      const tag = Math.max(flows.get(key)?.tag ?? flow.tag, lane.tag);
      lanes.set(index, { ...lane, virtualTime: lane.virtualTime + 1 / weightOf(index), tag });
      const turn = 1 / flow.weight;
      const next = Math.max(shares.get(tenantKey)?.tag ?? flow.tenantTag, tag + turn);
      flows.set(key, { class: index, tenant, caller, tag: next });
      shares.set(tenantKey, { class: index, tenant, tag: next + turn });
    },
    charged: () => ({
      lanes: [...lanes.values()].filter((lane) => !given.includes(lane)),
      flows: [...flows.values()],
      shares: [...shares.values()],
    }),
  };
}
