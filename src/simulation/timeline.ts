import { createHeap } from './heap.ts';

/**
 * Virtual time: nothing happens between two events, so weeks pass in the time that their events take. Of events at the
 * same moment the one that was planned first comes first: the same run every time.
 */
export interface Timeline<Action> {
  /** Milliseconds. */
  readonly now: () => number;
  at(moment: number, action: Action): void;
  after(delayMs: number, action: Action): void;
  /** The next event, to which time passes. Undefined: there is none that is due by `until`. */
  next(until?: number): Action | undefined;
}

interface Entry<Action> {
  readonly at: number;
  readonly ordinal: number;
  readonly action: Action;
}

export function createTimeline<Action>(beginsAt = 0): Timeline<Action> {
  const events = createHeap<Entry<Action>>(isEarlier);
  let now = beginsAt;
  let ordinal = 0;
  const at = (moment: number, action: Action): void => {
    ordinal += 1;
    events.push({ at: Math.max(moment, now), ordinal, action });
  };
  return {
    now: () => now,
    at,
    after: (delayMs, action) => at(now + delayMs, action),
    next(until = Number.POSITIVE_INFINITY) {
      const first = events.peek();
      if (first === undefined || first.at > until) return undefined;
      events.pop();
      now = first.at;
      return first.action;
    },
  };
}

function isEarlier(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.at === other.at ? one.ordinal < other.ordinal : one.at < other.at;
}
