import { limits } from './limits/limits.ts';
import { sound, startsLeft } from './rate.ts';

/** A target, by the account whose limits it shares. */
export interface PlaceKey {
  readonly pool: string;
  readonly name: string;
}

/** A target as a place to wait at, read without its pool's lock: a hint, for a grant keeps every limit anyway. */
export interface SpillPlace extends PlaceKey {
  /** How many attempts its breakers admit at once. Null: any number; 0: none. */
  readonly admits: number | null;
  /** How many of those are under way. */
  readonly probing: number;
  readonly outstanding: number;
  readonly outstandingMax: number | null;
  readonly perMinuteMax: number | null;
  readonly nextStartAt: number;
  /** Tickets in line there, counted up to `limits.spillWaitingMax`. */
  readonly waiting: number;
  /** Whether its account has asked us to stay away for a while. */
  readonly isPaused: boolean;
  /** Whether an operator has paused it or its pool, so that nobody is granted there; or drains it. Absent: no. */
  readonly isHeld?: boolean;
  readonly isDrained?: boolean;
}

export interface SpillAccount {
  readonly pool: string;
  readonly outstanding: number;
  readonly outstandingMax: number;
  readonly perMinuteMax: number;
  readonly nextStartAt: number;
}

export interface SpillState {
  readonly now: number;
  readonly places: readonly SpillPlace[];
  readonly accounts: readonly SpillAccount[];
}

export interface SpillRooms {
  /** Whether its breakers do not admit everybody: whoever is beyond them leaves at once. */
  isOpen(place: PlaceKey): boolean;
  /** Whether an operator drains it: whoever waits there leaves at once. */
  isDrained(place: PlaceKey): boolean;
  /** Whether a ticket can be granted where it is, and so stays; counts it. */
  stays(place: PlaceKey): boolean;
  /** Whether one more may come to `goal` from the line at `from`. */
  hasRoom(goal: PlaceKey, from: PlaceKey): boolean;
  /** Counts one that comes. */
  take(goal: PlaceKey): void;
}

/** Counts what a pass moves, as it goes. A place that nobody knows yet has no room. */
export function openRooms({ now, places, accounts }: SpillState): SpillRooms {
  const lines = new Map(
    places.map((place) => [keyOf(place), { place, own: ownRoomOf(place, now), stayed: 0, came: 0 }]),
  );
  const pools = new Map(
    accounts.map((account) => {
      const demand = places.filter(({ pool }) => pool === account.pool).map((place) => demandOf(place, now));
      const waiting = demand.reduce((sum, count) => sum + count, 0);
      return [account.pool, { free: freeOf(account, now), ahead: aheadOf(account), waiting, stayed: 0, came: 0 }];
    }),
  );
  return {
    isOpen: (key) => (lines.get(keyOf(key))?.place.admits ?? null) !== null,
    isDrained: (key) => lines.get(keyOf(key))?.place.isDrained === true,
    stays(key) {
      const [line, pool] = [lines.get(keyOf(key)), pools.get(key.pool)];
      if (line === undefined || pool === undefined) return false;
      if (line.stayed >= line.own || pool.stayed >= pool.free) return false;
      line.stayed += 1;
      pool.stayed += 1;
      return true;
    },
    hasRoom(goal, from) {
      const [line, pool] = [lines.get(keyOf(goal)), pools.get(goal.pool)];
      if (line === undefined || pool === undefined || line.place.isPaused || line.place.isHeld === true) return false;
      // Nobody is better off beside a line whose account is what is full.
      if (goal.pool === from.pool && (lines.get(keyOf(from))?.own ?? 0) > 0) return false;
      const ahead = line.place.admits === null ? pool.ahead : 0;
      return line.place.waiting + line.came < line.own + ahead && pool.waiting + pool.came < pool.free + pool.ahead;
    },
    take(goal) {
      for (const counted of [lines.get(keyOf(goal)), pools.get(goal.pool)]) if (counted) counted.came += 1;
    },
  };
}

/** Whether any place has room for somebody from one of these lines. */
export function hasRoomElsewhere(state: SpillState, sources: readonly PlaceKey[]): boolean {
  const rooms = openRooms(state);
  return state.places.some((goal) => sources.some((from) => keyOf(from) !== keyOf(goal) && rooms.hasRoom(goal, from)));
}

/** How many a target can take by its own limits and its breakers, whatever its account has left. */
function ownRoomOf(place: SpillPlace, now: number): number {
  if (place.isHeld === true) return 0;
  const { admits, probing, outstanding, outstandingMax, perMinuteMax, nextStartAt } = place;
  const room = Math.min(
    admits === null ? Infinity : admits - probing,
    outstandingMax === null ? Infinity : outstandingMax - outstanding,
    perMinuteMax === null ? Infinity : startsLeft(sound({ perMinuteMax, nextStartAt }, now), now),
  );
  return Math.max(0, room);
}

/** How many of those who wait at a place will have a slot of its account. */
function demandOf(place: SpillPlace, now: number): number {
  return Math.min(place.waiting, ownRoomOf(place, now));
}

function freeOf({ outstanding, outstandingMax, ...rate }: SpillAccount, now: number): number {
  return Math.max(0, Math.min(outstandingMax - outstanding, startsLeft(sound(rate, now), now)));
}

/** How many may wait for slots that are not free yet, so that none is idle until the next pass. */
function aheadOf({ outstandingMax }: SpillAccount): number {
  return Math.min(Math.ceil(outstandingMax * limits.spillAheadShare), limits.spillAheadMax);
}

function keyOf({ pool, name }: PlaceKey): string {
  return JSON.stringify([pool, name]);
}
