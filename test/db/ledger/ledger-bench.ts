import { randomInt } from 'node:crypto';
import { v7 } from 'uuid';
import { keepAsset } from '../../../src/db/jobs/assets.ts';
import { beginAttempt, endAttempt } from '../../../src/db/ledger/attempts.ts';
import { carryOut } from '../../../src/db/scheduler/carry-out.ts';
import { lockPool, readHoldings } from '../../../src/db/scheduler/grants.ts';
import { inTransaction } from '../../../src/db/pool.ts';
import { upsertPools } from '../../../src/db/scheduler/pools.ts';
import type { Route, RouteTarget } from '../../../src/domain/route.ts';
import { assetKey } from '../../../src/storage/object-store.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

export const target: RouteTarget = {
  name: 'vendor/model',
  provider: 'vendor',
  pool: 'vendor',
  vendorModel: 'maker/model',
  typicalMs: 1_000,
  longestMs: 60_000,
  patienceMs: 2_000,
  unknownGraceMs: 1_000,
  unknownPolicy: 'fail',
  callbacks: true,
  stoppable: false,
  priceUsdMicros: 500_000,
};

/** A database with one pool, and the few rows that a test of the ledger begins with. */
export interface LedgerBench extends TestDatabase {
  /** A job as accept leaves it: queued, with its first ticket. */
  acceptJob(settings?: { priority?: number; route?: Route }): Promise<string>;
  /** A job whose first attempt has made a video, which is not ours yet. */
  finishJob(settings?: { videoUrl?: string | null; route?: Route }): Promise<string>;
  /** Our copy of the video of its first attempt is whole. */
  keepVideo(job: string, attempt?: number): Promise<void>;
  /** Grants what `chooseGrants` would, to these jobs, and returns the grant of each. */
  grant(...jobs: readonly string[]): Promise<readonly string[]>;
  count(table: string, job: string): Promise<number>;
  row<Row extends object>(sql: string, ...values: readonly unknown[]): Promise<Row>;
}

export async function createLedgerBench(): Promise<LedgerBench> {
  const database = await createTestDatabase();
  const { pool } = database;
  await upsertPools(pool, [{ id: 'vendor', provider: 'vendor', outstandingMax: 1_000, perMinuteMax: 60_000 }]);

  const row = async <Row extends object>(sql: string, ...values: readonly unknown[]): Promise<Row> => {
    const { rows } = await pool.query<Row>(sql, [...values]);
    const [first] = rows;
    if (first === undefined) throw new Error(`no row: ${sql}`);
    return first;
  };
  const bench: LedgerBench = {
    ...database,
    row,
    async acceptJob({ priority = 1, route = [target] } = {}) {
      const id = `video_${v7()}`;
      await pool.query(
        `WITH job AS (
           INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline)
           VALUES ($1, 'default', 'model', '{"prompt":"a boat"}', $2, $3, now() + interval '1 hour') RETURNING id, accepted_at, queue_deadline
         ), event AS (
           INSERT INTO job_events (job, seq, kind) SELECT id, 1, 'job.queued' FROM job
         )
         INSERT INTO tickets (job, attempt, tenant, pool, target, target_name, priority, kind, accepted_at, queue_deadline, price_usd_micros)
         SELECT id, 1, 'default', 'vendor', 0, 'vendor/model', $3, 'first', accepted_at, queue_deadline, 500000 FROM job`,
        [id, JSON.stringify(route), priority],
      );
      return id;
    },
    async finishJob({ videoUrl = 'https://vendor.example/video.mp4', ...settings } = {}) {
      const job = await bench.acceptJob(settings);
      const [grant = ''] = await bench.grant(job);
      await beginAttempt(pool, beginOrder(job, grant));
      const end = {
        jobId: job,
        attempt: 1,
        evidence: 'callback',
        outcome: 'finished',
        operation: `op-${job}`,
      } as const;
      await endAttempt(pool, { ...end, ...(videoUrl === null ? {} : { videoUrl }) });
      return job;
    },
    async keepVideo(job, attempt = 1) {
      const key = assetKey({ tenant: 'default', jobId: job, attempt });
      const facts = { key, contentType: 'video/mp4', bytes: 5, sha256: new Uint8Array(32) };
      await keepAsset(pool, { jobId: job, attempt, ...facts });
    },
    async grant(...jobs) {
      return await inTransaction(pool, async (connection) => {
        await lockPool(connection, 'vendor');
        const { now } = await readHoldings(connection, 'vendor');
        const { rows: tickets } = await connection.query<{ id: string }>(
          'SELECT id::text FROM tickets WHERE job = ANY($1)',
          [jobs],
        );
        const granted = tickets.map(({ id }) => ({ id, target: target.name, startAt: now }));
        const grants = { granted, lanes: [], flows: [], shares: [], nextStartAt: now, overlapTokens: 1 };
        await carryOut(connection, { pool: 'vendor', grants, learned: {}, workingMax: 1_000, targets: [] });
        const { rows } = await connection.query<{ job: string; grant: string }>(
          'SELECT job, grant_id::text AS grant FROM permits WHERE job = ANY($1) ORDER BY grant_id DESC',
          [jobs],
        );
        return jobs.map((job) => rows.find((permit) => permit.job === job)?.grant ?? '');
      });
    },
    async count(table, job) {
      return (await row<{ count: number }>(`SELECT count(*)::int AS count FROM ${table} WHERE job = $1`, job)).count;
    },
  };
  return bench;
}

/** An order to begin an attempt, with a token of its own. */
export function beginOrder(jobId: string, grant: string, attempt = 1) {
  const token = `token-${randomInt(1e9)}`;
  return {
    jobId,
    attempt,
    grant,
    targetName: target.name,
    provider: target.provider,
    token,
    seed: 7,
    runBudgetMs: 600_000,
  };
}
