import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { type PoolUse, readPoolUse } from '../db/capacity.ts';
import type { Database } from '../db/pool.ts';

/** What each gauge shows, by its labels. */
const shown: readonly {
  readonly name: string;
  readonly help: string;
  readonly states: Readonly<Record<string, (use: PoolUse) => number>>;
}[] = [
  {
    name: 'spillway_pool_limit',
    help: 'Jobs that may be outstanding at a provider account: as configured, and as its refusals have taught.',
    states: { configured: ({ configured }) => configured, working: ({ working }) => working },
  },
  {
    name: 'spillway_pool_permits',
    help: 'Permits held: of jobs under way, and of zombies, whose provider works on though our job is final.',
    states: { live: ({ held, zombies }) => held - zombies, zombie: ({ zombies }) => zombies },
  },
  {
    name: 'spillway_pool_waiting_jobs',
    help: 'Jobs in line.',
    states: { '': ({ waiting }) => waiting },
  },
  {
    name: 'spillway_pool_next_wait_seconds',
    help: 'How long the jobs whose turn is next have waited, the longest of all classes and targets.',
    states: { '': ({ nextWaitSeconds }) => nextWaitSeconds },
  },
];

/** Gauges of what Postgres knows, read when somebody asks. While it is away they are absent, and not wrong. */
export function registerCapacityMetrics(registry: Registry, db: Database, log: Logger): void {
  let reading: Promise<readonly PoolUse[]> | undefined;
  // One scrape asks every gauge; one question is enough.
  const read = async (): Promise<readonly PoolUse[]> => {
    reading ??= readPoolUse(db).finally(() => (reading = undefined));
    return await reading;
  };
  for (const { name, help, states } of shown) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['pool', 'state'],
      registers: [registry],
      async collect() {
        gauge.reset();
        const uses = await read().catch((error: unknown) => {
          log.warn({ err: error }, 'capacity could not be read for the metrics');
          return [];
        });
        for (const use of uses)
          for (const [state, valueOf] of Object.entries(states))
            gauge.set(state === '' ? { pool: use.pool } : { pool: use.pool, state }, valueOf(use));
      },
    });
  }
}
