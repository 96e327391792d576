import { limits } from './limits/limits.ts';

/** What is counted of the line of one flow at one target, for the rank of a ticket in it; see db/scheduler/depths.ts. */
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
