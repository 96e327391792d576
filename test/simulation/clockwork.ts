import { createRandom, type Random } from '../../src/simulation/random.ts';
import { createTimeline } from '../../src/simulation/timeline.ts';
import type { Awaitable } from './records.ts';
import type { Scenario } from './scenario.ts';

export type Action = () => Awaitable<void>;

/** Time, luck and death in a run. Moments are milliseconds; a whole run has one order of events. */
export interface Clockwork {
  /** True time, which is Temporal's. */
  readonly now: () => number;
  /** By the database's clock, which may jump. */
  readonly databaseNow: () => number;
  readonly random: Random;
  readonly after: (delayMs: number, action: Action) => void;
  /** Calls it when Temporal can be reached: now, or when the outage is over. */
  readonly whenUp: (action: Action) => void;
  readonly isUp: () => boolean;
  /** One of the workers takes up some work. */
  readonly enterWorker: () => Worker;
  readonly kills: () => number;
  /** Runs until nothing is left to happen, `isOver` says so, or the time is up. */
  run(isOver: () => Awaitable<boolean>): Promise<'over' | 'late'>;
}

/** Some work of a worker. Whatever it has in hand when its worker dies is gone. */
export interface Worker {
  readonly isAlive: () => boolean;
  /** A named point of the code: the worker may die here. Says whether it still lives. */
  passes(point: string): boolean;
}

/** Far enough from zero for every moment of the past, and small enough that no digit is lost. */
const beginsAt = 1_000_000_000;
/** More than the longest queue deadline and run budget of a scenario together. */
const longestRunMs = 2 * 3_600_000;
const workerCount = 2;
const isOverEvery = 64;

export function createClockwork(scenario: Scenario): Clockwork {
  const timeline = createTimeline<Action>(beginsAt);
  const random = createRandom(scenario.seed + 0x5eed);
  const epochs = Array.from({ length: workerCount }, () => 0);
  let kills = 0;
  const now = (): number => timeline.now() - beginsAt;
  const outageNow = () => scenario.outages.find(({ from, until }) => from <= now() && now() < until);

  return {
    now: () => timeline.now(),
    databaseNow() {
      const passed = scenario.jumps.filter(({ at }) => at <= now());
      return Math.round(timeline.now()) + passed.reduce((sum, { byMs }) => sum + byMs, 0);
    },
    random,
    after: (delayMs, action) => timeline.after(delayMs, action),
    isUp: () => outageNow() === undefined,
    whenUp(action) {
      const outage = outageNow();
      timeline.after(outage === undefined ? 0 : outage.until - now() + random.between([0, 500]), action);
    },
    enterWorker() {
      const index = random.count([0, workerCount - 1]);
      const epoch = epochs[index];
      const isAlive = (): boolean => epochs[index] === epoch;
      return {
        isAlive,
        passes() {
          if (!isAlive()) return false;
          if (!random.chance(scenario.killShare)) return true;
          epochs[index] = (epoch ?? 0) + 1;
          kills += 1;
          return false;
        },
      };
    },
    kills: () => kills,
    async run(isOver) {
      for (let events = 1; ; events += 1) {
        const action = timeline.next(beginsAt + longestRunMs);
        if (action === undefined) return (await isOver()) ? 'over' : 'late';
        const doing = action();
        if (doing !== undefined) await doing;
        if (events % isOverEvery === 0 && (await isOver())) return 'over';
      }
    },
  };
}
