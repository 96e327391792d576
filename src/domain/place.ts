import { type Lane, weightOf } from './lanes.ts';
import { type FlowPlace, type LineShare, turnInShare, turnsBefore, turnsOf, withFloor } from './line-share.ts';

/** Everybody who waits in a pool and can overtake each other, as they were a moment ago. */
export interface LineView {
  readonly lanes: readonly Lane[];
  readonly shares: readonly LineShare[];
}

/** A ticket that waits, by what is known of it now. */
export interface OwnPlace extends FlowPlace {
  readonly class: number;
  readonly tenant: string;
  /** Of its tenant. */
  readonly weight: number;
  readonly lanes: readonly Lane[];
}

/**
 * The place of a ticket in its line: how many grants there are up to its own, if nobody comes and nobody leaves. The view
 * may be a little old: whoever was granted since is known by the times of the classes, which are those of now.
 */
export function positionOf(line: LineView, own: OwnPlace): number {
  const waiting = waitingOf(line);
  const placeInLane = Math.max(own.rank, turnInLane(line, own) - grantedSince({ line, own, waiting }, own.class));
  const finish = virtualTimeOf(own, own.class) + placeInLane / weightOf(own.class);
  let position = placeInLane;
  for (const [index, count] of waiting) {
    if (index === own.class) continue;
    const turns = (finish - virtualTimeOf(own, index)) * weightOf(index) - 1;
    const left = count - grantedSince({ line, own, waiting }, index);
    position += Math.min(left, turnsBefore(turns, index > own.class));
  }
  return position;
}

function waitingOf({ shares }: LineView): ReadonlyMap<number, number> {
  const classes = new Map<number, number>();
  for (const { class: index, waiting } of shares) classes.set(index, (classes.get(index) ?? 0) + waiting);
  return classes;
}

interface Seen {
  readonly line: LineView;
  readonly own: OwnPlace;
  readonly waiting: ReadonlyMap<number, number>;
}

/** What a class was granted since it was seen: its time has moved on by that much. */
function grantedSince({ line, own, waiting }: Seen, index: number): number {
  const then = line.lanes.find((lane) => lane.class === index);
  const now = own.lanes.find((lane) => lane.class === index);
  if (then === undefined || now === undefined) return 0;
  const granted = Math.round((now.virtualTime - then.virtualTime) * weightOf(index));
  return Math.min(Math.max(granted, 0), waiting.get(index) ?? 0);
}

/** A class that is new begins where the least served is. */
function virtualTimeOf({ lanes }: Pick<OwnPlace, 'lanes'>, index: number): number {
  const lane = lanes.find((one) => one.class === index);
  if (lane !== undefined) return lane.virtualTime;
  return lanes.length === 0 ? 0 : Math.min(...lanes.map(({ virtualTime }) => virtualTime));
}

function tagOfClass(lanes: readonly Lane[], own: Pick<OwnPlace, 'class'>): number {
  return lanes.find((lane) => lane.class === own.class)?.tag ?? 0;
}

/** The grants of its class up to it, from when the line was seen: its tenant's, and the others' whose start tags are less. */
function turnInLane(line: LineView, own: OwnPlace): number {
  const floor = tagOfClass(line.lanes, own);
  const shares = line.shares.filter((one) => one.class === own.class).map((share) => withFloor(share, floor));
  const share = shares.find(({ tenant }) => tenant === own.tenant);
  const turn = share === undefined ? own.rank : turnInShare(share, own);
  const since = own.since ?? Number.POSITIVE_INFINITY;
  const start = { tag: startTagOf({ share, turn }, own), since };
  return Math.round(shares.reduce((sum, one) => (one === share ? sum : sum + turnsOf(one, start)), turn));
}

function startTagOf({ share, turn }: { share: LineShare | undefined; turn: number }, own: OwnPlace): number {
  if (own.rank === 1 && own.tag !== null) return own.tag;
  const floor = tagOfClass(own.lanes, own);
  if (share === undefined) return Math.max(own.tag ?? floor, floor) + (own.rank - 1) / own.weight;
  // Who has just come stands right before the clock.
  return Math.max(floor, share.clock + (turn - share.flows - 1) / share.weight);
}
