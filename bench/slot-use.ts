import type { VendorBooks } from './vendor.ts';

export interface UseWindow {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  /** What may be under way at once. */
  readonly slots: number;
}

export interface SlotUse {
  /** Of the permitted slots, over the whole window: the integral and no samples. */
  readonly share: number;
  /** Changes after which more were under way than may be. */
  readonly violations: number;
  readonly outstandingMax: number;
  readonly starts: number;
  /** Milliseconds that a slot stands empty between two videos, on the average. */
  readonly gapMs: number;
}

/** How much of what was permitted was in use at the vendor, by the vendor's own books. */
export function slotUseOf(books: VendorBooks, window: UseWindow): SlotUse {
  let areaMs = 0;
  let violations = 0;
  let outstandingMax = 0;
  let starts = 0;
  for (const { from, to, level, change } of stepsOf(books, window)) {
    areaMs += level * (to - from);
    outstandingMax = Math.max(outstandingMax, level);
    if (change === 1) starts += 1;
    if (change === 1 && level > window.slots) violations += 1;
  }
  const permittedMs = window.slots * (window.to - window.from);
  const gapMs = starts === 0 ? 0 : (permittedMs - areaMs) / starts;
  return { share: areaMs / permittedMs, violations, outstandingMax, starts, gapMs };
}

export interface Buckets extends UseWindow {
  readonly bucketMs: number;
}

/** The share of each full bucket of the window, for a plot. */
export function useOverTime(
  books: VendorBooks,
  buckets: Buckets,
): readonly (readonly [seconds: number, share: number])[] {
  return bucketsOf(books, buckets).map(({ seconds, use }) => [seconds, use.share] as const);
}

/** The same of what may be started in a minute. */
export function startsOverTime(
  books: VendorBooks,
  { perMinute, ...buckets }: Buckets & { readonly perMinute: number },
): readonly (readonly [seconds: number, share: number])[] {
  const permitted = (perMinute * buckets.bucketMs) / 60_000;
  return bucketsOf(books, buckets).map(({ seconds, use }) => [seconds, use.starts / permitted] as const);
}

function bucketsOf(
  books: VendorBooks,
  { from, to, slots, bucketMs }: Buckets,
): readonly { readonly seconds: number; readonly use: SlotUse }[] {
  return Array.from({ length: Math.floor((to - from) / bucketMs) }, (_, index) => {
    const start = from + index * bucketMs;
    const use = slotUseOf(books, { from: start, to: start + bucketMs, slots });
    return { seconds: (index * bucketMs) / 1_000, use };
  });
}

interface Step {
  readonly from: number;
  readonly to: number;
  readonly level: number;
  /** What made it; 0 for the one that the window cuts into. */
  readonly change: number;
}

/** The pieces of the window in which the level is one. */
function* stepsOf({ at, outstanding, change }: VendorBooks, { from, to }: UseWindow): Generator<Step> {
  let start = from;
  let level = 0;
  let made = 0;
  for (let index = 0; index < at.length; index += 1) {
    const moment = at[index] ?? 0;
    if (moment >= to) break;
    if (moment >= from) {
      yield { from: start, to: moment, level, change: made };
      start = moment;
      made = change[index] ?? 0;
    }
    level = outstanding[index] ?? 0;
  }
  yield { from: start, to, level, change: made };
}
