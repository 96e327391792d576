import type { FlowKey } from '../domain/lanes.ts';
import type { WaitingTicket } from '../domain/grants.ts';
import type { Placed } from './ordered-flows.ts';

/** A ticket in the line of a pool, as far as its order depends on it. */
export interface LineTicket extends WaitingTicket, FlowKey {
  readonly target: string;
  readonly weight: number;
  readonly acceptedAt: number;
  /** Of tickets that were accepted at the same moment the least comes first. */
  readonly ordinal: number;
}

/** A row of `flows`: a flow as far as it waits for one target. */
export interface FlowRow extends FlowKey, Placed {
  readonly target: string;
  readonly weight: number;
  tag: number;
  since: number;
  isActive: boolean;
  /** The oldest first, from `begin` on. */
  readonly tickets: LineTicket[];
  begin: number;
}

/** The rows of a pool, by flow and target, and those of one flow together. */
export interface FlowRows {
  /** Of the flow that the ticket belongs to: made when there is none. */
  of(ticket: LineTicket): FlowRow;
  ofFlow(flow: FlowKey): readonly FlowRow[];
  all(): Iterable<FlowRow>;
}

export function createFlowRows(): FlowRows {
  const rows = new Map<string, FlowRow>();
  const rowsOfFlow = new Map<string, FlowRow[]>();
  return {
    of(ticket) {
      const flow = keyOf(ticket);
      const key = `${flow} ${ticket.target}`;
      const known = rows.get(key);
      if (known !== undefined) return known;
      const row = openRow(ticket);
      rows.set(key, row);
      rowsOfFlow.set(flow, [...(rowsOfFlow.get(flow) ?? []), row]);
      return row;
    },
    ofFlow: (flow) => rowsOfFlow.get(keyOf(flow)) ?? [],
    all: () => rows.values(),
  };
}

function openRow({ class: index, tenant, caller, target, weight }: LineTicket): FlowRow {
  const empty = { tag: 0, since: 0, isActive: false, version: 0, tickets: [], begin: 0 };
  return { class: index, tenant, caller, target, weight, ...empty };
}

/** Mostly the youngest; who comes back stands at its old place. */
export function insertTicket({ tickets, begin }: FlowRow, ticket: LineTicket): void {
  const last = tickets.at(-1);
  if (last === undefined || tickets.length === begin || isOlder(last, ticket)) return void tickets.push(ticket);
  let [from, until] = [begin, tickets.length];
  while (from < until) {
    const middle = (from + until) >> 1;
    const other = tickets[middle];
    if (other !== undefined && isOlder(other, ticket)) from = middle + 1;
    else until = middle;
  }
  return void tickets.splice(from, 0, ticket);
}

/** Mostly the oldest. What was served is cut off now and then, not each time: a flow may be a hundred thousand deep. */
export function removeTicket(row: FlowRow, ticket: LineTicket): boolean {
  const index = row.tickets.indexOf(ticket, row.begin);
  if (index === -1) return false;
  if (index !== row.begin) row.tickets.splice(index, 1);
  else row.begin += 1;
  if (row.begin <= 1_000) return true;
  row.tickets.splice(0, row.begin);
  row.begin = 0;
  return true;
}

function isOlder(one: LineTicket, other: LineTicket): boolean {
  return one.acceptedAt === other.acceptedAt ? one.ordinal < other.ordinal : one.acceptedAt < other.acceptedAt;
}

function keyOf({ class: index, tenant, caller }: FlowKey): string {
  return `${index} ${tenant} ${caller}`;
}
