import type { Logger } from 'pino';
import { Gauge, register, type Registry } from 'prom-client';
import type pg from 'pg';
import { createPool, type Database, type PoolSettings } from '../../db/pool.ts';
import { countStuckJobs, type StuckCount } from '../../db/stuck/stuck-counts.ts';
import { limits } from '../../domain/limits/limits.ts';
import { stuckCauses, type StuckSettings } from '../../domain/stuck.ts';
import type { Stoppable } from '../stop.ts';
import type { WorkerSettings } from '../worker/settings.ts';

export interface StuckMetricsDeps extends StuckSettings {
  readonly db: Database;
  readonly log: Logger;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number;
}

/**
 * In workers alone: what they count is linear in the line, the same for each, and there are few of them. On a connection of its
 * own, so that in a flood the other figures don't wait behind it, and it has the time that it takes.
 */
export function startStuckMetrics({ config, databaseUrl, log }: WorkerSettings): Stoppable {
  const onError = (error: unknown): void =>
    log.warn({ err: error }, 'counting stuck jobs lost its database connection');
  const db = createStuckPool({ url: databaseUrl, onError });
  registerStuckMetrics(register, { db, log, stuckAfterMs: config.stuckAfterMs });
  return { stop: () => db.end() };
}

/** For these questions alone: one at a time, each with the time that a long line takes. */
export function createStuckPool(settings: Pick<PoolSettings, 'url' | 'onError'>): pg.Pool {
  const waitMsMax = { statementTimeoutMs: limits.stuckReadMsMax, connectTimeoutMs: limits.stuckReadMsMax };
  return createPool({ ...settings, ...waitMsMax, connectionsMax: 1, name: 'stuck' });
}

/** Gauges of jobs that do not get on, by cause: 0 where there are none. While Postgres is away they are absent, and not wrong. */
export function registerStuckMetrics(registry: Registry, deps: StuckMetricsDeps): void {
  const read = createReader(deps);
  const jobs = new Gauge({
    name: 'spillway_stuck_jobs',
    help: 'Jobs that do not get on, by cause. What is counted has a bound for each cause but those that wait in line.',
    labelNames: ['cause'],
    registers: [registry],
    async collect() {
      const counts = await read();
      jobs.reset();
      for (const cause of counts === undefined ? [] : stuckCauses)
        jobs.set({ cause }, counts?.find((count) => count.cause === cause)?.jobs ?? 0);
    },
  });
  const oldest = new Gauge({
    name: 'spillway_stuck_oldest_seconds',
    help: 'For how long the one that has been stuck the longest has been, by cause; absent where there is none.',
    labelNames: ['cause'],
    registers: [registry],
    async collect() {
      const counts = await read();
      oldest.reset();
      for (const { cause, oldestSince } of counts ?? [])
        oldest.set({ cause }, Math.max(0, Date.now() - oldestSince) / 1_000);
    },
  });
}

/** One question for both gauges, and for scrapes that follow each other closely: it is linear in the line. */
function createReader({ db, log, stuckAfterMs, clock = () => performance.now() }: StuckMetricsDeps) {
  let known: { readonly counts: Promise<readonly StuckCount[] | undefined>; freshUntil: number } | undefined;
  return async (): Promise<readonly StuckCount[] | undefined> => {
    if (known === undefined || clock() >= known.freshUntil) known = { counts: count(), freshUntil: Infinity };
    return await soonOr(known.counts);
  };

  /** Fresh from its answer on: one that comes too late for its scrape is there for the next. */
  async function count(): Promise<readonly StuckCount[] | undefined> {
    try {
      const counts = await countStuckJobs(db, { stuckAfterMs });
      if (known !== undefined) known.freshUntil = clock() + limits.stuckFreshMs;
      return counts;
    } catch (error) {
      known = undefined;
      log.warn({ err: error }, 'stuck jobs could not be counted for the metrics');
      return undefined;
    }
  }
}

/** A scrape has a deadline of its own, and other figures to tell. */
async function soonOr<Value>(work: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limits.stuckReadMsMax);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
