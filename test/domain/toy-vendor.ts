import { cut, type Dimension, grow, type LearnedLimit, openLimit } from '../../src/domain/learned-limit.ts';
import { randomFor, type Random } from '../../src/simulator/random.ts';

/** What the account's vendor does, in virtual time. */
export interface Vendor {
  /** Whether it takes a submit. Of a job that it took it hears the end. */
  takes(now: number): boolean;
  ended?(): void;
  readonly retryAfterMs?: number;
}

/** At most so many jobs at once; the rest is refused. */
export function outstandingVendor(realAt: (now: number) => number): Vendor {
  let running = 0;
  return {
    takes(now) {
      if (running >= realAt(now)) return false;
      running += 1;
      return true;
    },
    ended() {
      running -= 1;
    },
  };
}

/** So many starts in any sixty seconds. */
export function slidingMinute(realAt: (now: number) => number): Vendor {
  const taken: number[] = [];
  return {
    takes(now) {
      while (taken[0] !== undefined && taken[0] <= now - 60_000) taken.shift();
      if (taken.length >= realAt(now)) return false;
      taken.push(now);
      return true;
    },
  };
}

/** So many starts in a minute of the clock. */
export function clockMinute(realAt: (now: number) => number, offsetMs: number): Vendor {
  let minute = -1;
  let taken = 0;
  return {
    takes(now) {
      const current = Math.floor((now + offsetMs) / 60_000);
      taken = current === minute ? taken : 0;
      minute = current;
      if (taken >= realAt(now)) return false;
      taken += 1;
      return true;
    },
  };
}

/** A bucket that is refilled all the time and holds what comes in a second. */
export function tokenBucket(perMinute: number): Vendor {
  const size = Math.max(1, perMinute / 60);
  let tokens = size;
  let filledAt = 0;
  return {
    takes(now) {
      tokens = Math.min(size, tokens + ((now - filledAt) * perMinute) / 60_000);
      filledAt = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

/** An account that always has a backlog, asked by ten grant passes a second. */
export interface Scene {
  readonly seed: number;
  readonly dimension: Dimension;
  readonly configured: number;
  readonly vendor: Vendor;
  readonly minutes: number;
  /** Only what comes later counts. */
  readonly warmUpMinutes?: number;
  /** How long jobs run, at least and at most. */
  readonly jobMs?: readonly [number, number];
  readonly onPass?: (limit: LearnedLimit, now: number) => void;
}

export interface Outcome {
  readonly submits: number;
  readonly refusedShare: number;
  /** What the vendor had under way, on average. */
  readonly outstanding: number;
  /** What it took in a minute. */
  readonly perMinute: number;
}

const passMs = 100;
const grantsOfPassMax = 50;

export function play(scene: Scene): Outcome {
  const account = new Account(scene);
  for (let now = 0; now < scene.minutes * 60_000; now += passMs) {
    account.pass(now);
    scene.onPass?.(account.limit, now);
  }
  return account.outcome();
}

/** Grants as a pass does: as many jobs at once as the limit says, or starts that are spaced by it. */
class Account {
  limit: LearnedLimit;
  readonly #scene: Scene;
  readonly #random: Random;
  readonly #countFrom: number;
  readonly #due = new Map<number, ((now: number) => void)[]>();
  readonly #refusals: number[] = [];
  readonly #starts: number[] = [];
  #permits = 0;
  #running = 0;
  #nextStartAt = 0;
  readonly #counts = { submits: 0, refused: 0, runningSum: 0 };

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#random = randomFor('toy-vendor', scene.seed);
    this.#countFrom = (scene.warmUpMinutes ?? 0) * 60_000;
    this.limit = openLimit(scene.dimension, { configured: scene.configured, now: 0 });
  }

  pass(now: number): void {
    for (const event of this.#due.get(now / passMs) ?? []) event(now);
    this.#due.delete(now / passMs);
    this.#learn(now);
    for (let granted = 0; granted < grantsOfPassMax && this.#mayGrant(now); granted += 1) this.#grant(now);
    this.limit = grow(this.limit, { configured: this.#scene.configured, now, isUsedUp: this.#isUsedUp(now) });
    if (now >= this.#countFrom) this.#counts.runningSum += this.#running;
  }

  outcome(): Outcome {
    const { submits, refused, runningSum } = this.#counts;
    const countedMs = this.#scene.minutes * 60_000 - this.#countFrom;
    return {
      submits,
      refusedShare: refused / submits,
      outstanding: (runningSum * passMs) / countedMs,
      perMinute: ((submits - refused) * 60_000) / countedMs,
    };
  }

  #learn(now: number): void {
    while (this.#starts[0] !== undefined && this.#starts[0] <= now - 60_000) this.#starts.shift();
    const inUse = this.#scene.dimension === 'rate' ? this.#starts.length : this.#permits;
    const { retryAfterMs = null } = this.#scene.vendor;
    for (const grantedAt of this.#refusals.splice(0)) {
      this.limit = cut(this.limit, { grantedAt, now, inUse, retryAfterMs });
    }
  }

  #mayGrant(now: number): boolean {
    if (this.limit.pausedUntil > now) return false;
    return this.#scene.dimension === 'rate' ? this.#nextStartAt <= now + 400 : this.#permits < this.limit.working;
  }

  #isUsedUp(now: number): boolean {
    return this.#scene.dimension === 'rate' ? this.#nextStartAt > now : this.#permits >= 0.9 * this.limit.working;
  }

  #grant(now: number): void {
    const startAt = Math.max(now, this.#nextStartAt);
    if (this.#scene.dimension === 'rate') this.#nextStartAt = startAt + 60_000 / this.limit.working;
    this.#permits += 1;
    this.#starts.push(now);
    this.#at(startAt + this.#between(100, 1_000), (at) => this.#submit(now, at));
  }

  #submit(grantedAt: number, now: number): void {
    const counts = now >= this.#countFrom;
    const isTaken = this.#scene.vendor.takes(now);
    if (counts) this.#counts.submits += 1;
    if (counts && !isTaken) this.#counts.refused += 1;
    if (isTaken) this.#run(now);
    else this.#at(now + this.#between(100, 1_000), () => this.#hearRefusal(grantedAt));
  }

  #hearRefusal(grantedAt: number): void {
    this.#permits -= 1;
    this.#refusals.push(grantedAt);
  }

  #run(now: number): void {
    const [least, most] = this.#scene.jobMs ?? [1_000, 2_000];
    this.#running += 1;
    this.#at(now + this.#between(least, most), (at) => {
      this.#running -= 1;
      this.#scene.vendor.ended?.();
      this.#at(at + this.#between(50, 500), () => {
        this.#permits -= 1;
      });
    });
  }

  /** Events wait for their pass: nothing happens between two of them. */
  #at(time: number, event: (now: number) => void): void {
    const slot = Math.ceil(time / passMs);
    const events = this.#due.get(slot);
    if (events) events.push(event);
    else this.#due.set(slot, [event]);
  }

  #between(least: number, most: number): number {
    return least + this.#random() * (most - least);
  }
}
