import { type FlowKey, type Lane, type TenantShare, weightOf } from './lanes.ts';
import { leastBy } from './least-by.ts';
import { type KeyedFlow, keysOf, openTab, type Tab, type TaggedFlow } from './tab.ts';

/** A flow as far as it waits for one target. */
export interface Flow<Ticket> extends TaggedFlow {
  readonly target: string;
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
  /** The ticket is left out of it: the next of its flow has the turn, and nobody is charged. */
  readonly stepOver: () => void;
}

export interface Waiting<Ticket> {
  readonly lanes: readonly Lane[];
  /** Of equal tags the first given is served first. */
  readonly flows: readonly Flow<Ticket>[];
  /** Targets at which nobody can be served: who waits for these alone saves up no more than who does not wait. */
  readonly isClosed?: (target: string) => boolean;
}

interface Line<Ticket> extends KeyedFlow {
  readonly flow: Flow<Ticket>;
  served: number;
  /** Served or stepped over. */
  seen: number;
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
  const tab = openTab(openLanes(waiting));
  const linesOf = groupBy(lines, ({ flow }) => flow.class);
  const linesOfFlow = groupBy(lines, ({ key }) => key);

  const stepOver = (line: Line<Ticket>): void => {
    line.seen += 1;
    line.isOut ||= line.seen >= line.flow.heads.length;
  };
  const serve = (line: Line<Ticket>): void => {
    line.served += 1;
    stepOver(line);
    tab.charge(line, linesOfFlow.get(line.key)?.some(waitsOn) ?? false);
  };
  return {
    next() {
      const lane = leastBy(tab.lanes(), (one) => (linesOf.get(one.class)?.some(isIn) ? finishOf(one) : Infinity));
      const line = lane && leastBy(linesOf.get(lane.class) ?? [], (one) => (one.isOut ? Infinity : tab.tagOf(one)));
      const head = line && headOf(line);
      if (line === undefined || head === undefined) return undefined;
      const skip = (): void => void (line.isOut = true);
      return { ...head, serve: () => serve(line), skip, stepOver: () => stepOver(line) };
    },
    rest: () => lines.filter(isIn).flatMap((line) => headOf(line) ?? []),
    lanes: () => liftIdle(tab.lanes(), busy),
    flows: () => served(lines, tab),
    shares: () => tab.shares(),
  };
}

function finishOf({ class: index, virtualTime }: Lane): number {
  return virtualTime + 1 / weightOf(index);
}

function openLine<Ticket>(flow: Flow<Ticket>): Line<Ticket> {
  return { flow, ...keysOf(flow), served: 0, seen: 0, isOut: flow.heads.length === 0 };
}

function waitsOn({ flow, seen }: Line<unknown>): boolean {
  return flow.hasMore || seen < flow.heads.length;
}

function isIn({ isOut }: Line<unknown>): boolean {
  return !isOut;
}

function headOf<Ticket>({ flow, seen }: Line<Ticket>): Head<Ticket> | undefined {
  const ticket = flow.heads[seen];
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
function openLanes<Ticket>({ lanes: given, flows }: Waiting<Ticket>): readonly Lane[] {
  const begin = given.length === 0 ? 0 : Math.min(...given.map(({ virtualTime }) => virtualTime));
  const lanes = new Map(given.map((lane) => [lane.class, lane]));
  for (const { class: index } of flows)
    if (!lanes.has(index)) lanes.set(index, { class: index, virtualTime: begin, tag: 0 });
  return [...lanes.values()];
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
function served<Ticket>(lines: readonly Line<Ticket>[], tab: Tab): readonly ServedFlow[] {
  const flows = new Map<string, ServedFlow>();
  for (const line of lines) {
    const { class: index, tenant, caller, target, heads, hasMore } = line.flow;
    const isEmptied = !hasMore && line.served === heads.length;
    if (line.served === 0 && !isEmptied) continue;
    const { key } = line;
    const before = flows.get(key) ?? {
      class: index,
      tenant,
      caller,
      tag: tab.tagOf(line),
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
