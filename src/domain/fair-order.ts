import { priorities } from './job.ts';

/**
 * The shares of the classes, in the order of `priorities`, while all of them wait. The shares are the ageing: the last class
 * has its 73rd of the starts however long the others' lines are, and nothing is rewritten while it waits.
 */
const classWeights: Readonly<Record<(typeof priorities)[number], number>> = { high: 64, normal: 8, low: 1 };

/** A priority class of a pool. Times are virtual: one unit is one grant, divided by a weight. */
export interface Lane {
  /** The index in `priorities`. */
  readonly class: number;
  /** What it was served. */
  readonly virtualTime: number;
  /** The largest start tag of a flow that was served in it. */
  readonly tag: number;
}

/** Whom fairness is between: a tenant's end user, in a class. */
export interface FlowKey {
  readonly class: number;
  readonly tenant: string;
  readonly caller: string;
}

/** A flow as far as it waits for one target. */
export interface Flow<Ticket> extends FlowKey {
  readonly target: string;
  readonly weight: number;
  /** Its start tag: the virtual time from which on it is served next. */
  readonly tag: number;
  /** The start tag of the next flow of its tenant that comes, or waits on after it was served. */
  readonly tenantTag: number;
  /** Its next tickets, the oldest first: all of them when there are fewer than were asked for. */
  readonly heads: readonly Ticket[];
  /** Whether more of them may wait behind these. */
  readonly hasMore: boolean;
}

/** What a flow has become. Its tag counts for all targets. */
export interface ServedFlow extends FlowKey {
  readonly tag: number;
  /** How many of it were served, by target. */
  readonly served: Readonly<Record<string, number>>;
  /** Targets for which nobody of it waits any more. */
  readonly emptied: readonly string[];
}

/** Where a tenant stands in a class: all its flows together are charged by one clock. */
export interface TenantShare extends Omit<FlowKey, 'caller'> {
  readonly tag: number;
}

export interface FairOrder<Ticket> {
  /** Whose turn it is. Undefined: nobody's that is left. */
  next(): Turn<Ticket> | undefined;
  /** The heads whose turn has not come: once nobody can be served any more, their order says nothing. */
  rest(): readonly Head<Ticket>[];
  lanes(): readonly Lane[];
  flows(): readonly ServedFlow[];
  /** Of the tenants that were served. */
  shares(): readonly TenantShare[];
}

export interface Head<Ticket> {
  readonly ticket: Ticket;
  readonly target: string;
}

export interface Turn<Ticket> extends Head<Ticket> {
  /** The ticket is served: its flow and its class are charged. */
  readonly serve: () => void;
  /** The flow is left out of this pass at this target. */
  readonly skip: () => void;
}

export interface Waiting<Ticket> {
  readonly lanes: readonly Lane[];
  /** Of equal tags the first given is served first. */
  readonly flows: readonly Flow<Ticket>[];
  /** Targets at which nobody can be served: who waits for these alone saves up no more than who does not wait. */
  readonly isClosed?: (target: string) => boolean;
}

interface Line<Ticket> {
  readonly flow: Flow<Ticket>;
  /** Of the flow, whatever the target. */
  readonly key: string;
  /** Of its tenant in its class. */
  readonly tenantKey: string;
  served: number;
  isOut: boolean;
}

/**
 * Weighted fair queueing. The class that would be the first to finish one more has the turn; in it the flow with the least
 * start tag, of equal ones the first given. Start-time fair queueing (Goyal, Vin, Cheng, 1996): a flow is charged when it is
 * served, at its head, so neither a cancelled queue nor a change of weights leaves a stale promise behind. The flows of a
 * tenant take their tags from one clock of the tenant, in turns: a tenant with 100,000 users has no more of a class than one
 * with a single user, and its users have equal shares of that.
 */
export function createFairOrder<Ticket>(waiting: Waiting<Ticket>): FairOrder<Ticket> {
  const lines = waiting.flows.map(openLine);
  const isServable = (line: Line<Ticket>): boolean => isIn(line) && waiting.isClosed?.(line.flow.target) !== true;
  const busy = new Set(lines.filter(isServable).map(({ flow }) => flow.class));
  const lanes = openLanes(waiting);
  const linesOf = groupBy(lines, ({ flow }) => flow.class);
  const linesOfFlow = groupBy(lines, ({ key }) => key);
  const tags = new Map<string, number>();
  const shares = new Map<string, TenantShare>();

  const tagOf = ({ flow, key }: Line<Ticket>): number => tags.get(key) ?? flow.tag;
  const serve = (line: Line<Ticket>, lane: Lane): void => {
    const { flow, key, tenantKey } = line;
    // Who could not be served for a while, because of its target, comes first once, and is charged from now on.
    const tag = Math.max(tagOf(line), lane.tag);
    lanes.set(lane.class, { ...lane, virtualTime: finishOf(lane), tag });
    line.served += 1;
    line.isOut ||= line.served >= flow.heads.length;
    const turn = 1 / flow.weight;
    const next = Math.max(shares.get(tenantKey)?.tag ?? flow.tenantTag, tag + turn);
    tags.set(key, next);
    const { class: index, tenant } = flow;
    shares.set(tenantKey, { class: index, tenant, tag: linesOfFlow.get(key)?.some(waitsOn) ? next + turn : next });
  };
  return {
    next() {
      const lane = leastBy([...lanes.values()], (one) =>
        linesOf.get(one.class)?.some(isIn) ? finishOf(one) : Infinity,
      );
      const line = lane && leastBy(linesOf.get(lane.class) ?? [], (one) => (one.isOut ? Infinity : tagOf(one)));
      const head = line && headOf(line);
      if (lane === undefined || line === undefined || head === undefined) return undefined;
      return { ...head, serve: () => serve(line, lane), skip: () => void (line.isOut = true) };
    },
    rest: () => lines.filter(isIn).flatMap((line) => headOf(line) ?? []),
    lanes: () => liftIdle([...lanes.values()], busy),
    flows: () => served(lines, tags),
    shares: () => [...shares.values()],
  };
}

/** The weight of a class by its index. */
export function weightOf(index: number): number {
  const name = priorities[index];
  return name === undefined ? 1 : classWeights[name];
}

function finishOf({ class: index, virtualTime }: Lane): number {
  return virtualTime + 1 / weightOf(index);
}

function openLine<Ticket>(flow: Flow<Ticket>): Line<Ticket> {
  const { class: index, tenant, caller } = flow;
  const tenantKey = JSON.stringify([index, tenant]);
  return { flow, key: JSON.stringify([index, tenant, caller]), tenantKey, served: 0, isOut: flow.heads.length === 0 };
}

function waitsOn({ flow, served }: Line<unknown>): boolean {
  return flow.hasMore || served < flow.heads.length;
}

function isIn({ isOut }: Line<unknown>): boolean {
  return !isOut;
}

function headOf<Ticket>({ flow, served }: Line<Ticket>): Head<Ticket> | undefined {
  const ticket = flow.heads[served];
  return ticket === undefined ? undefined : { ticket, target: flow.target };
}

function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): ReadonlyMap<Key, readonly Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** The classes by their index; one that is new begins where the least served is. */
function openLanes<Ticket>({ lanes: given, flows }: Waiting<Ticket>): Map<number, Lane> {
  const begin = given.length === 0 ? 0 : Math.min(...given.map(({ virtualTime }) => virtualTime));
  const lanes = new Map(given.map((lane) => [lane.class, lane]));
  for (const { class: index } of flows)
    if (!lanes.has(index)) lanes.set(index, { class: index, virtualTime: begin, tag: 0 });
  return lanes;
}

/** A class that nobody could be served in saves up nothing: it stands where the least served of the others does. */
function liftIdle(lanes: readonly Lane[], busy: ReadonlySet<number>): readonly Lane[] {
  const times = lanes.filter((lane) => busy.has(lane.class)).map(({ virtualTime }) => virtualTime);
  const least = times.length === 0 ? 0 : Math.min(...times);
  return lanes.map((lane) =>
    busy.has(lane.class) || lane.virtualTime >= least ? lane : { ...lane, virtualTime: least },
  );
}

/** One entry a flow that was served, or at a target of which nobody is left. */
function served<Ticket>(lines: readonly Line<Ticket>[], tags: ReadonlyMap<string, number>): readonly ServedFlow[] {
  const flows = new Map<string, ServedFlow>();
  for (const line of lines) {
    const { class: index, tenant, caller, target, tag, heads, hasMore } = line.flow;
    const isEmptied = !hasMore && line.served === heads.length;
    if (line.served === 0 && !isEmptied) continue;
    const { key } = line;
    const before = flows.get(key) ?? {
      class: index,
      tenant,
      caller,
      tag: tags.get(key) ?? tag,
      served: {},
      emptied: [],
    };
    flows.set(key, {
      ...before,
      served: line.served === 0 ? before.served : { ...before.served, [target]: line.served },
      emptied: isEmptied ? [...before.emptied, target] : before.emptied,
    });
  }
  return [...flows.values()];
}

function leastBy<Item>(items: readonly Item[], measure: (item: Item) => number): Item | undefined {
  let best: Item | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const value = measure(item);
    if (value >= least) continue;
    best = item;
    least = value;
  }
  return best;
}
