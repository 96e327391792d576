import type { Flow } from '../domain/fair-order.ts';
import type { Lane } from '../domain/lanes.ts';
import type { Grants, WaitingTicket } from '../domain/grants.ts';
import { createFlowRows, type FlowRow, insertTicket, type LineTicket, removeTicket } from './flow-rows.ts';
import { createOrderedFlows, type OrderedFlows } from './ordered-flows.ts';

/** What has changed of a flow since the last pass: its rows of `arrivals`. */
interface Change {
  readonly row: FlowRow;
  readonly since: number;
  hasCome: boolean;
  hasLeft: boolean;
}

/**
 * The line of one pool as Postgres keeps it: tickets by flow, flows and classes with their tags, and the arrivals that no
 * pass has folded yet. The statements of db/scheduler/grants.ts, one method each.
 */
export class Line {
  readonly #rows = createFlowRows();
  readonly #orders = new Map<string, OrderedFlows<FlowRow>>();
  readonly #lanes = new Map<number, Lane>();
  readonly #shares = new Map<string, number>();
  readonly #changes = new Map<FlowRow, Change>();
  #arrivals = 0;
  #waiting = 0;

  /** A ticket comes into line; the next `fold` takes note of it. */
  enter(ticket: LineTicket): void {
    const row = this.#rows.of(ticket);
    insertTicket(row, ticket);
    this.#waiting += 1;
    this.#change(row).hasCome = true;
  }

  /** A ticket is withdrawn or moved. Nothing for one that is not in line. */
  leave(ticket: LineTicket): void {
    if (this.take(ticket)) this.#change(this.#rows.of(ticket)).hasLeft = true;
  }

  /** A ticket is granted: what the pass notes says it all. Whether it was in line. */
  take(ticket: LineTicket): boolean {
    const isTaken = removeTicket(this.#rows.of(ticket), ticket);
    if (isTaken) this.#waiting -= 1;
    return isTaken;
  }

  fold(): void {
    const virtualTimes = [...this.#lanes.values()].map(({ virtualTime }) => virtualTime);
    const virtualTime = virtualTimes.length === 0 ? 0 : Math.min(...virtualTimes);
    for (const { class: index } of this.#changes.keys())
      if (!this.#lanes.has(index)) this.#lanes.set(index, { class: index, virtualTime, tag: 0 });
    for (const change of this.#changes.values()) this.#fold(change);
    this.#changes.clear();
  }

  lanes(): readonly Lane[] {
    return [...this.#lanes.values()];
  }

  /** The next flows of each class and target, each with as many tickets as may be its turn. */
  heads({ targets, headsMax }: HeadsQuery): readonly Flow<WaitingTicket>[] {
    const wanted = new Set(targets);
    const heads = [...this.#orders.values()].flatMap((order) => headsOf(order, wanted, headsMax));
    const inOrder = heads.toSorted((one, other) => one.since - other.since);
    return inOrder.map(({ flow }) => ({ ...flow, tenantTag: this.#shares.get(shareOf(flow)) ?? flow.tag }));
  }

  /** What a pass has moved on. */
  note({ lanes, flows, shares }: Pick<Grants, 'lanes' | 'flows' | 'shares'>): void {
    for (const lane of lanes) this.#lanes.set(lane.class, lane);
    for (const share of shares) this.#shares.set(shareOf(share), share.tag);
    for (const flow of flows) {
      for (const row of this.#rows.ofFlow(flow)) {
        row.tag = flow.tag;
        row.isActive &&= !flow.emptied.includes(row.target);
        if (row.isActive) this.#orderOf(row).put(row);
      }
    }
  }

  /** Somebody has come since the last pass. */
  hasNews(): boolean {
    return [...this.#changes.values()].some(({ hasCome }) => hasCome);
  }

  /** Some flow counts as one that waits. */
  hasActive(): boolean {
    for (const { isActive } of this.#rows.all()) if (isActive) return true;
    return false;
  }

  /** Tickets in line. */
  get waiting(): number {
    return this.#waiting;
  }

  #change(row: FlowRow): Change {
    this.#arrivals += 1;
    const change = this.#changes.get(row) ?? { row, since: this.#arrivals, hasCome: false, hasLeft: false };
    this.#changes.set(row, change);
    return change;
  }

  /** A flow that wakes takes its tenant's next tag, at the time of its class or later: what nobody used, nobody saves. */
  #fold({ row, since, hasLeft }: Change): void {
    const wasActive = row.isActive;
    const active = this.#rows.ofFlow(row).find(({ isActive }) => isActive);
    row.isActive = !hasLeft || row.begin < row.tickets.length;
    if (wasActive) return;
    const share = shareOf(row);
    row.tag = active?.tag ?? Math.max(this.#lanes.get(row.class)?.tag ?? 0, this.#shares.get(share) ?? 0);
    row.since = since;
    if (!row.isActive) return;
    if (active === undefined) this.#shares.set(share, row.tag + 1 / row.weight);
    this.#orderOf(row).put(row);
  }

  #orderOf({ class: index, target }: FlowRow): OrderedFlows<FlowRow> {
    const key = `${index} ${target}`;
    const order = this.#orders.get(key) ?? createOrderedFlows<FlowRow>();
    this.#orders.set(key, order);
    return order;
  }
}

export interface HeadsQuery {
  /** Targets that may be granted at: of the others one head is read, to say why it waits. */
  readonly targets: readonly string[];
  readonly headsMax: number;
}

interface Head {
  readonly since: number;
  readonly flow: Omit<Flow<WaitingTicket>, 'tenantTag'>;
}

function shareOf({ class: index, tenant }: Pick<FlowRow, 'class' | 'tenant'>): string {
  return `${index} ${tenant}`;
}

function headsOf(order: OrderedFlows<FlowRow>, wanted: ReadonlySet<string>, headsMax: number): readonly Head[] {
  const first = order.first(1)[0];
  if (first === undefined) return [];
  const rows = wanted.has(first.target) ? order.first(headsMax) : [first];
  const users = new Map<string, number>();
  for (const { tenant } of rows) users.set(tenant, (users.get(tenant) ?? 0) + 1);
  const weightOf = ({ tenant, weight }: FlowRow): number => weight / (users.get(tenant) ?? 1);
  const weights = rows.reduce((sum, row) => sum + weightOf(row), 0);
  return rows.map((row) => {
    const { class: index, tenant, caller, target, weight, tag, since, tickets, begin } = row;
    const most = Math.ceil((headsMax * weightOf(row)) / weights) + 1;
    const heads = tickets.slice(begin, begin + most);
    return { since, flow: { class: index, tenant, caller, target, weight, tag, heads, hasMore: heads.length >= most } };
  });
}
