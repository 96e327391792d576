import { type Lane, weightOf } from './fair-order.ts';
import { limits } from './limits.ts';

/** What is counted of the line of one flow at one target, for the rank of a ticket in it; see db/depths.ts. */
export interface Depth {
  /** Tickets before it, counted up to `limits.placesAheadCountedMax`. If there are more, the rest counts. */
  readonly ahead: number;
  readonly waiting: number;
  /** Of these, in later buckets than its own. */
  readonly later: number;
  /** In its own bucket behind it, counted up to `limits.placesBehindCountedMax`. */
  readonly behind: number;
  readonly bucket: number;
  /** The share of its bucket that lies behind it, by the numbers of its tickets. Null: that has been counted. */
  readonly shareBehind: number | null;
}

/** The rank of a ticket among those of its flow that wait for the same target: 1 is the next. */
export function rankOf({ ahead, waiting, later, behind, bucket, shareBehind }: Depth): number {
  if (ahead < limits.placesAheadCountedMax) return ahead + 1;
  // Who is granted is not taken from the bucket: of the one at the head of the line there is left what is not in later ones.
  const left = Math.min(bucket, waiting - later);
  const behindIt = shareBehind === null ? behind : Math.max(behind, left * Math.min(shareBehind, 1));
  return Math.max(ahead + 1, Math.round(waiting - later - behindIt));
}

/**
 * Everybody who waits in a pool and can overtake each other, as they were a moment ago: flows in the order of their next
 * turn, drawn together into groups that grow with their distance from the head.
 */
export interface LineView {
  readonly lanes: readonly Lane[];
  readonly groups: readonly FlowGroup[];
}

/** Flows of a class that follow each other, of the same weight and about as deep. */
export interface FlowGroup {
  readonly class: number;
  readonly weight: number;
  readonly flows: number;
  readonly waiting: number;
  readonly tagMin: number;
  readonly tagMax: number;
  readonly sinceMin: number;
  readonly sinceMax: number;
}

/** A ticket that waits, by what is known of it now. */
export interface OwnPlace {
  readonly class: number;
  /** In its flow. */
  readonly rank: number;
  readonly weight: number;
  /** Null: its flow has not been folded yet, and begins at the time of its class. */
  readonly tag: number | null;
  readonly since: number | null;
  readonly lanes: readonly Lane[];
}

/**
 * The place of a ticket in its line: how many grants there are up to its own, if nobody comes and nobody leaves. The view
 * may be a little old: whoever was granted since is known by the times of the classes, which are those of now.
 */
export function positionOf(line: LineView, own: OwnPlace): number {
  const placeInLane = placeInLaneOf(line, own);
  const finish = virtualTimeOf(own, own.class) + placeInLane / weightOf(own.class);
  let position = placeInLane;
  for (const lane of classesOf(line)) {
    if (lane.class === own.class) continue;
    const turns = (finish - virtualTimeOf(own, lane.class)) * weightOf(lane.class) - 1;
    const left = lane.waiting - grantedSince({ line, own }, lane.class);
    position += Math.min(left, turnsBefore(turns, lane.class > own.class));
  }
  return position;
}

interface Seen {
  readonly line: LineView;
  readonly own: OwnPlace;
}

/** A class that is new begins where the least served is. */
function virtualTimeOf({ lanes }: Pick<OwnPlace, 'lanes'>, index: number): number {
  const lane = lanes.find((one) => one.class === index);
  if (lane !== undefined) return lane.virtualTime;
  return lanes.length === 0 ? 0 : Math.min(...lanes.map(({ virtualTime }) => virtualTime));
}

/** What a class was granted since it was seen: its time has moved on by that much. */
function grantedSince({ line, own }: Seen, index: number): number {
  const then = line.lanes.find((lane) => lane.class === index);
  const now = own.lanes.find((lane) => lane.class === index);
  if (then === undefined || now === undefined) return 0;
  const granted = Math.round((now.virtualTime - then.virtualTime) * weightOf(index));
  const waiting = classesOf(line).find((lane) => lane.class === index)?.waiting ?? 0;
  return Math.min(Math.max(granted, 0), waiting);
}

interface WaitingClass {
  readonly class: number;
  readonly waiting: number;
}

function classesOf({ groups }: LineView): readonly WaitingClass[] {
  const classes = new Map<number, WaitingClass>();
  for (const { class: index, waiting } of groups)
    classes.set(index, { class: index, waiting: (classes.get(index)?.waiting ?? 0) + waiting });
  return [...classes.values()];
}

/** The same within its class: tickets of other flows go before it whose start tags are less, and of equal ones the older. */
function placeInLaneOf(line: LineView, own: OwnPlace): number {
  const start = {
    tag: startTagOf(own),
    since: own.since ?? Number.POSITIVE_INFINITY,
    floor: tagOfClass(line.lanes, own),
  };
  const groups = line.groups.filter((group) => group.class === own.class);
  const isSeen = groups.some(({ sinceMax }) => start.since <= sinceMax);
  const before =
    groups.reduce((sum, group) => sum + ticketsBefore(group, start), 0) - grantedSince({ line, own }, own.class);
  // The view has its own flow too, and with it the tickets before this one, unless the flow is newer than the view.
  return Math.max(own.rank, Math.round(isSeen ? before + 1 : before + own.rank));
}

/** A flow that lags behind its class comes first once, by its own tag, and goes on from where its class is. */
function startTagOf({ rank, tag, weight, ...own }: OwnPlace): number {
  const floor = tagOfClass(own.lanes, own);
  return rank === 1 ? (tag ?? floor) : Math.max(tag ?? floor, floor) + (rank - 1) / weight;
}

function tagOfClass(lanes: readonly Lane[], own: Pick<OwnPlace, 'class'>): number {
  return lanes.find((lane) => lane.class === own.class)?.tag ?? 0;
}

interface Start {
  readonly tag: number;
  readonly since: number;
  /** The tag of its class when the line was seen. */
  readonly floor: number;
}

/** How many tickets of a group are served before that start. */
function ticketsBefore(group: FlowGroup, start: Start): number {
  const { tagMin, tagMax, flows } = group;
  const older = olderShare(group, start.since);
  const each = [tagMin, tagMax].map((tag) => {
    const [asOlder, asYounger] = [false, true].map((isLater) =>
      ticketsOfFlow({ ...group, tag }, { ...start, isLater }),
    );
    return older * (asOlder ?? 0) + (1 - older) * (asYounger ?? 0);
  });
  return (flows * ((each[0] ?? 0) + (each[1] ?? 0))) / 2;
}

function ticketsOfFlow(
  { tag, weight, waiting, flows }: FlowGroup & { readonly tag: number },
  start: Start & { readonly isLater: boolean },
): number {
  const first = Math.min(1, turnsBefore((start.tag - tag) * weight, start.isLater));
  const second = Math.max(tag, start.floor) + 1 / weight;
  return first + Math.min(waiting / flows - 1, turnsBefore((start.tag - second) * weight, start.isLater));
}

/** Turns that begin before a moment which lies so many turns ahead. One that begins at it counts unless it is the later one. */
function turnsBefore(turns: number, isLater: boolean): number {
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
