/** Flows of a tenant in a class. */
export interface FlowGroup {
  readonly flows: number;
  readonly waiting: number;
  readonly tagMin: number;
  readonly tagMax: number;
  readonly sinceMin: number;
  readonly sinceMax: number;
}

/** All flows of a tenant in a class: they take turns, and each that waits on takes the clock's next tag. */
export interface LineShare extends FlowGroup {
  readonly class: number;
  readonly tenant: string;
  readonly weight: number;
  /** The start tag of its next flow that comes, or waits on after it was served. */
  readonly clock: number;
  /** The same flows in the order of their tags, drawn together where they follow each other and are about as deep. */
  readonly groups: readonly FlowGroup[];
}

/** A ticket in its flow, and where that stands among those of its tenant. */
export interface FlowPlace {
  /** In its flow. */
  readonly rank: number;
  /** Null: its flow has not been folded yet, and comes after all those of its tenant that came before. */
  readonly tag: number | null;
  readonly since: number | null;
}

/** A tenant that lags behind its class: each flow that waits comes first once, and goes on from where the class is. */
export function withFloor(share: LineShare, floor: number): LineShare {
  return { ...share, clock: Math.max(share.clock, Math.max(share.tagMin, floor) + 1 / share.weight) };
}

/** Which of its tenant's turns is the ticket's: the flows before it in the rotation have one more than those behind it. */
export function turnInShare({ groups, ...share }: LineShare, own: FlowPlace): number {
  const first = firstTurnOf({ groups, ...share }, own);
  const begun = first > share.flows ? roundsBefore(groups, first) : 0;
  const done = begun + own.rank - 1;
  let ahead = first - 1 - turnsOfRounds(groups, begun);
  // A flow that is newer than the view is none of the groups.
  let turn = own.since !== null && own.since <= share.sinceMax ? first : first + own.rank - 1;
  turn += turnsOfRounds(groups, done) - turnsOfRounds(groups, begun);
  for (const group of groups) {
    const flows = flowsDeeper(group, begun);
    const before = Math.min(flows, ahead);
    ahead -= before;
    if (flows > 0) turn += before * (flowsDeeper(group, done) / flows - 1);
  }
  return turn;
}

/** Which of its tenant's turns is the next one of the flow. */
function firstTurnOf({ groups, ...share }: LineShare, { tag, since: own }: FlowPlace): number {
  const since = own ?? Number.POSITIVE_INFINITY;
  if (tag === null) return groups.reduce((turn, group) => turn + group.flows * olderShare(group, since), 1);
  if (tag > share.tagMax) return share.flows + 1 + Math.max(0, Math.round((tag - share.clock) * share.weight));
  return groups.reduce((turn, group) => turn + flowsBefore(group, { tag, since }), 1);
}

/** How often all flows have had their turns, or left for want of tickets, before that turn. */
function roundsBefore(groups: readonly FlowGroup[], turn: number): number {
  let rounds = 0;
  let above = Math.max(...groups.map(({ flows, waiting }) => Math.ceil(waiting / flows))) + 1;
  while (above - rounds > 1) {
    const middle = Math.floor((rounds + above) / 2);
    if (turnsOfRounds(groups, middle) < turn) rounds = middle;
    else above = middle;
  }
  return rounds;
}

function turnsOfRounds(groups: readonly FlowGroup[], rounds: number): number {
  return groups.reduce((sum, { flows, waiting }) => sum + Math.min(waiting, flows * rounds), 0);
}

function flowsDeeper({ flows, waiting }: FlowGroup, rounds: number): number {
  return Math.min(flows, Math.max(0, waiting - flows * rounds));
}

export interface Start {
  readonly tag: number;
  readonly since: number;
}

/** How many turns of a tenant begin before that, of those that begin with it the ones of older flows. */
export function turnsOf(share: LineShare, start: Start): number {
  const { clock, weight, flows, waiting, groups } = share;
  if (start.tag < share.tagMin) return 0;
  if (start.tag <= share.tagMax) return groups.reduce((sum, group) => sum + flowsBefore(group, start), 0);
  const turns = (start.tag - clock) * weight;
  return flows + Math.min(waiting - flows, mixed(turns, olderShare(share, start.since)));
}

function flowsBefore(group: FlowGroup, start: Start): number {
  const { flows, tagMin, tagMax } = group;
  const spacing = (tagMax - tagMin) / Math.max(1, flows - 1) || 1;
  return Math.min(flows, mixed((start.tag - tagMin) / spacing, olderShare(group, start.since)));
}

function mixed(turns: number, older: number): number {
  return older * turnsBefore(turns, false) + (1 - older) * turnsBefore(turns, true);
}

/** Turns that begin before a moment which lies so many turns ahead. One that begins at it counts unless it is the later one. */
export function turnsBefore(turns: number, isLater: boolean): number {
  const whole = Math.round(turns);
  // Sums of shares: what is as good as equal is equal.
  const isEqual = Math.abs(turns - whole) < 1e-6;
  if (!isEqual) return Math.max(0, Math.ceil(turns));
  return Math.max(0, isLater ? whole : whole + 1);
}

function olderShare({ sinceMin, sinceMax, flows }: FlowGroup, since: number): number {
  if (since <= sinceMin) return 0;
  if (since > sinceMax) return 1;
  return Math.min(1, (1 + ((flows - 1) * (since - sinceMin)) / (sinceMax - sinceMin)) / flows);
}
