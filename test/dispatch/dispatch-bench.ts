import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { inject } from 'vitest';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { addSearchAttributes } from '../../src/embedded/search-attributes.ts';
import { insertJobs, type NewJob } from '../../src/db/jobs/accept.ts';
import { createPool } from '../../src/db/pool.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { grantPass, type GrantPassDeps } from '../../src/dispatch/grant-pass.ts';
import type { Priority } from '../../src/domain/job.ts';
import type { Route, RouteTarget } from '../../src/domain/route.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { target } from '../db/ledger/ledger-bench.ts';

export interface Wish {
  readonly pool: string;
  readonly count?: number;
  readonly priority?: Priority;
  readonly target?: Partial<RouteTarget>;
  readonly queueTtlSeconds?: number;
  readonly tenant?: string;
  /** The tenant's end user. */
  readonly user?: string;
}

export interface PoolWish {
  readonly outstandingMax?: number;
  readonly perMinuteMax?: number;
}

export interface DispatchBench extends TestDatabase {
  /** A pool of its own for a test: its limits are far away unless they are given. */
  addPool(wish?: PoolWish): Promise<string>;
  /** Jobs as the API accepts them, in order. */
  accept(wish: Wish): Promise<readonly string[]>;
  acceptOne(wish: Wish): Promise<string>;
  grant(deps?: Partial<GrantPassDeps>): Promise<number>;
  /** The jobs of a pool that hold a permit, in the order of their starts. */
  permitted(pool: string): Promise<readonly string[]>;
  rows<Row extends object>(sql: string, ...values: readonly unknown[]): Promise<readonly Row[]>;
  row<Row extends object>(sql: string, ...values: readonly unknown[]): Promise<Row>;
  count(table: string, job?: string): Promise<number>;
  phaseOf(job: string): Promise<string>;
}

export async function createDispatchBench(): Promise<DispatchBench> {
  const database = await createTestDatabase();
  const { pool: connections } = database;
  const rows = async <Row extends object>(sql: string, ...values: readonly unknown[]): Promise<readonly Row[]> =>
    (await connections.query<Row>(sql, [...values])).rows;
  const row = async <Row extends object>(sql: string, ...values: readonly unknown[]): Promise<Row> => {
    const [first] = await rows<Row>(sql, ...values);
    if (first === undefined) throw new Error(`no row: ${sql}`);
    return first;
  };
  const accept = async ({ pool, count = 1, ...wish }: Wish): Promise<readonly string[]> => {
    const jobs = Array.from({ length: count }, () => newJob([{ ...target, pool, ...wish.target }], wish));
    for (let from = 0; from < count; from += 200) await insertJobs(connections, jobs.slice(from, from + 200));
    return jobs.map(({ id }) => id);
  };
  return {
    ...database,
    rows,
    row,
    accept,
    async acceptOne(wish) {
      const [job = ''] = await accept(wish);
      return job;
    },
    async addPool({ outstandingMax = 10_000, perMinuteMax = 600_000 } = {}) {
      const id = `pool-${randomBytes(4).toString('hex')}`;
      await upsertPools(connections, [{ id, provider: 'vendor', outstandingMax, perMinuteMax }]);
      return id;
    },
    grant: (deps) => grantPass({ pool: connections, submittingMax: 1_000_000, startSlots: () => 1_000, ...deps }),
    async permitted(pool) {
      const permits = await rows<{ job: string }>(
        'SELECT job FROM permits WHERE pool = $1 ORDER BY start_at, grant_id',
        pool,
      );
      return permits.map(({ job }) => job);
    },
    async count(table, job) {
      const where = job === undefined ? '' : 'WHERE job = $1';
      const values = job === undefined ? [] : [job];
      return (await row<{ count: number }>(`SELECT count(*)::int AS count FROM ${table} ${where}`, ...values)).count;
    },
    async phaseOf(job) {
      return (await row<{ phase: string }>('SELECT phase FROM jobs WHERE id = $1', job)).phase;
    },
  };
}

function newJob(route: Route, wish: Omit<Wish, 'pool'>): NewJob {
  const { priority = 'normal', queueTtlSeconds = 3_600, tenant = 'default', user } = wish;
  return {
    id: `video_${uuidv7()}`,
    tenant,
    request: { prompt: 'a fox', model: 'wan-2.6', seconds: 5, size: '1280x720', priority, ...(user ? { user } : {}) },
    route,
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds,
    idempotency: null,
  };
}

/** Connections of another process: a pool of its own. */
export function connectAgain({ url }: TestDatabase, connectionsMax = 2) {
  return createPool({ url, connectionsMax, name: 'another', statementTimeoutMs: 10_000, onError: () => undefined });
}

export interface TemporalBench {
  readonly client: Client;
  readonly namespace: string;
  /** What has arrived at a workflow: the kinds of its start and its signals, in order. */
  arrivedAt(job: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** A fresh namespace on the server of the run. Nobody works there: what arrives stays to be read. */
export async function openTemporal(): Promise<TemporalBench> {
  const address = inject('temporalAddress');
  const connection = await Connection.connect({ address });
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('1 day'),
  });
  const client = new Client({ connection, namespace });
  await untilUsable(client);
  await addSearchAttributes(connection, searchAttributeTypes, namespace);
  return {
    client,
    namespace,
    async arrivedAt(job) {
      const { events } = await client.workflow.getHandle(job).fetchHistory();
      return (events ?? []).flatMap(({ workflowExecutionStartedEventAttributes: started, ...event }) => {
        if (started) return ['start'];
        const signal = event.workflowExecutionSignaledEventAttributes?.signalName;
        return signal ? [signal] : [];
      });
    },
    close: () => connection.close(),
  };
}

/** The frontend reads its list of namespaces now and then only. */
async function untilUsable(client: Client): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    try {
      await client.workflow.count('WorkflowType = "none"');
      const options = { workflowId: 'probe', taskQueue: 'nobody', workflowIdConflictPolicy: 'USE_EXISTING' } as const;
      await client.workflow.start('probe', options);
      return;
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
    }
  }
}

export const quiet = pino({ level: 'silent' });
