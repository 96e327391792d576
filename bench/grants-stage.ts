import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { insertJobs, type NewJob } from '../src/db/jobs/accept.ts';
import { migrate } from '../src/db/migrate.ts';
import { createPool } from '../src/db/pool.ts';
import { upsertPools } from '../src/db/scheduler/pools.ts';
import { vacuumQueues } from '../src/db/ledger/reconcile.ts';
import { startEmbeddedPostgres } from '../src/embedded/postgres.ts';
import type { Measured } from './cpu.ts';
import { root } from './root.ts';
import { withClient } from './transactions.ts';

/** A line of its own, in a database of its own, so that nothing of another line lies in its indexes. */
export interface GrantLine {
  /** One connection, on which nothing but grants happens. */
  readonly granter: pg.Pool;
  /** The servers of its connections, which may change while nobody uses them. */
  measured(): Promise<readonly Measured[]>;
  /** Jobs come, by the statement of accept; the users take turns. */
  accept(count: number): Promise<void>;
  /** What was granted is over at once. */
  release(): Promise<void>;
  vacuum(): Promise<void>;
  deadTuples(): Promise<number>;
  close(): Promise<void>;
}

export interface GrantLineWish {
  /** Users whose jobs wait, in turn: so many flows. */
  readonly users: number;
  /** Jobs that are at the account all the while: a pass has to count them. */
  readonly held: number;
}

/** A Postgres of our own, that syncs as it would in production. */
export async function openGrantsStage(): Promise<{
  open(name: string, wish: GrantLineWish): Promise<GrantLine>;
  stop(): Promise<void>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
  // The account that runs Postgres for root has to reach it.
  await chmod(directory, 0o755);
  const postgres = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), log: () => undefined });
  return {
    async open(name, wish) {
      await withClient(postgres.url, async (client) => void (await client.query(`CREATE DATABASE ${name}`)));
      const url = new URL(postgres.url);
      url.pathname = `/${name}`;
      await migrate({ url: url.href, directory: join(root, 'migrations'), log: () => undefined });
      return await openLine(url.href, wish);
    },
    async stop() {
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const poolId = 'vendor';
const jobsOfStatement = 500;

async function openLine(url: string, { users, held }: GrantLineWish): Promise<GrantLine> {
  const connect = (name: string): pg.Pool =>
    createPool({ url, name, connectionsMax: 1, statementTimeoutMs: 60_000, onError: () => undefined });
  const [granter, keeper, cleaner] = [connect('granter'), connect('keeper'), connect('cleaner')];
  await upsertPools(keeper, [{ id: poolId, provider: 'vendor', outstandingMax: 1_000_000, perMinuteMax: 60_000_000 }]);
  await hold(keeper, held);
  let accepted = 0;
  return {
    granter,
    measured: async () => [
      { name: 'grants', pid: await pidOf(granter) },
      { name: 'vacuum', pid: await pidOf(cleaner) },
    ],
    async accept(count) {
      for (let left = count; left > 0; left -= jobsOfStatement) {
        const jobs = Array.from({ length: Math.min(left, jobsOfStatement) }, () =>
          newJob(`user-${accepted++ % users}`),
        );
        await insertJobs(keeper, jobs);
      }
    },
    async release() {
      await keeper.query(`DELETE FROM permits WHERE submitting`);
      await keeper.query('DELETE FROM mailbox');
    },
    vacuum: () => vacuumQueues(cleaner),
    async deadTuples() {
      const { rows } = await keeper.query<{ count: number }>(
        `SELECT coalesce(sum(n_dead_tup), 0)::int AS count FROM pg_stat_user_tables
         WHERE relname IN ('tickets', 'flows', 'arrivals', 'permits', 'mailbox', 'pools', 'lanes', 'targets')`,
      );
      return rows[0]?.count ?? 0;
    },
    async close() {
      await Promise.all([granter, keeper, cleaner].map((pool) => pool.end()));
    },
  };
}

async function pidOf(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** Jobs that were answered and run on. */
async function hold(db: pg.Pool, count: number): Promise<void> {
  await db.query(
    `INSERT INTO permits (job, attempt, pool, target, target_name, start_at, submitting)
     SELECT 'video_' || overlay(gen_random_uuid()::text PLACING '7' FROM 15), 1, $1, 0, $2, now(), false
     FROM generate_series(1, $3::int)`,
    [poolId, target.name, count],
  );
}

const target = {
  name: 'vendor/model',
  provider: 'vendor',
  pool: poolId,
  vendorModel: 'maker/model',
  typicalMs: 60_000,
  longestMs: 600_000,
  patienceMs: 180_000,
  spillAfterMs: 60_000,
  unknownGraceMs: 10_000,
  unknownPolicy: 'fail',
  callbacks: true,
  stoppable: false,
  priceUsdMicros: 500_000,
} as const;

function newJob(user: string): NewJob {
  return {
    id: `video_${uuidv7()}`,
    tenant: 'default',
    request: { prompt: 'Waves at dusk', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal', user },
    route: [target],
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds: 86_400,
    idempotency: null,
  };
}
