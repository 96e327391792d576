import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { PlanResult, Wish } from '../../src/catalogue/plan.ts';
import { type App, createApp } from '../../src/api/app.ts';
import type { AppDeps } from '../../src/api/deps.ts';
import { listen } from '../../src/api/server.ts';
import type { Connections } from '../../src/db/pool.ts';
import { listenToWakeUps } from '../../src/db/wake-ups.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey, type ObjectStore } from '../../src/storage/object-store.ts';
import { createContractCheck } from '../support/contract.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

export interface ApiBench {
  readonly url: string;
  readonly database: TestDatabase;
  readonly registry: Registry;
  readonly store: ObjectStore;
  /** Its router, for tests of every route that there is. */
  readonly routes: App['routes'];
  /** How often the API told that there is mail, and that jobs were accepted. */
  readonly told: { mail: number; accepted: number };
  post(body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  count(table: string): Promise<number>;
  /** The keys of everything that is kept. */
  objects(): Promise<readonly string[]>;
  /** What a SIGTERM does to whoever follows events. */
  endStreams(): void;
  close(): Promise<void>;
}

export const target: RouteTarget = {
  name: 'acme/wan-2.6',
  provider: 'acme',
  pool: 'acme-main',
  vendorModel: 'alibaba/wan-2.6',
  typicalMs: 60_000,
  longestMs: 600_000,
  patienceMs: 120_000,
  unknownGraceMs: 60_000,
  unknownPolicy: 'fail',
  callbacks: true,
  stoppable: false,
  priceUsdMicros: 500_000,
};

export function planOneTarget({ request }: Wish): PlanResult {
  if (request.model === 'unknown') {
    return {
      kind: 'refused',
      pointer: '/model',
      code: 'model_not_found',
      message: 'There is no such model.',
      allowed: ['wan-2.6'],
    };
  }
  if (request.seconds === 7) {
    return { kind: 'refused', pointer: '/seconds', code: 'value_not_allowed', message: 'No 7 s.', allowed: [5, 10] };
  }
  const { model, seconds = 5, size = '1280x720' } = request;
  return { kind: 'planned', route: [target], model, seconds, size };
}

export type BenchOptions = Partial<AppDeps> & {
  readonly poolOf?: (database: TestDatabase) => Promise<Connections>;
  /** What the API makes of the bench's own store. */
  readonly storeOf?: (store: ObjectStore) => ObjectStore;
};

/** The API over real HTTP on a real database of its own; providers and workflows are what the test says. */
export async function openApiBench({ poolOf, storeOf, ...overrides }: BenchOptions = {}): Promise<ApiBench> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-objects-'));
  const store = createLocalObjectStore(directory);
  const told = { mail: 0, accepted: 0 };
  const registry = new Registry();
  const app = createApp({
    pool: (await poolOf?.(database)) ?? database.pool,
    plan: planOneTarget,
    models: [],
    providers: new Map(),
    store: storeOf?.(store) ?? store,
    clock: Date.now,
    defaultModel: 'wan-2.6',
    notifyMail: () => (told.mail += 1),
    notifyAccepted: () => (told.accepted += 1),
    logger: pino({ level: 'silent' }),
    registry,
    ...overrides,
  });
  const listener = listenToWakeUps(database.url, () => app.wakeEvents());
  const contract = createContractCheck();
  const server = await listen(contract.around(app.handler), { host: '127.0.0.1', port: 0 });
  return {
    url: server.url,
    database,
    registry,
    store,
    routes: app.routes,
    told,
    post: (body, headers = {}) =>
      fetch(`${server.url}/v1/videos`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    get: (path, headers = {}) => fetch(`${server.url}${path}`, { headers }),
    async count(table) {
      const { rows } = await database.pool.query<{ count: number }>(`SELECT count(*)::int FROM ${table}`);
      return rows[0]?.count ?? -1;
    },
    async objects() {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true });
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      return paths.map((path) => path.slice(directory.length + 1)).toSorted();
    },
    endStreams: () => app.endStreams(),
    async close() {
      await listener.close();
      app.endStreams();
      await server.close(1_000);
      await app.drain();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
      contract.expectFit();
    },
  };
}

/** A job in the state of having one attempt at work, as the worker's functions leave it. */
export async function beginAttempt({ database }: ApiBench, id: string, token: string): Promise<void> {
  const { rows } = await database.pool.query<{ grant: string }>(
    `WITH ticket AS (DELETE FROM tickets WHERE job = $1)
     INSERT INTO permits (job, attempt, pool, target, start_at, price_usd_micros)
     VALUES ($1, 1, 'acme-main', 0, now(), 500000) RETURNING grant_id AS grant`,
    [id],
  );
  await database.pool.query('UPDATE jobs SET dispatched_at = now() WHERE id = $1', [id]);
  await database.pool.query(`SELECT begin_attempt($1, 1, $2, 'acme/wan-2.6', 'acme', $3, NULL, '10 min')`, [
    id,
    rows[0]?.grant,
    token,
  ]);
}

/** Ends the one attempt and the job with it, as a callback, the copy of the video and the workflow do. */
export async function completeJob({ database, store }: ApiBench, id: string, video = 'video'): Promise<void> {
  const end = `SELECT end_attempt($1, 1, 'check', 'finished', $2, 'https://acme.test/v.mp4', NULL)`;
  await database.pool.query(end, [id, `op-${id}`]);
  const key = assetKey({ tenant: 'default', jobId: id, attempt: 1 });
  await store.write(key, { body: Buffer.from(video) });
  const asset = [id, key, Buffer.byteLength(video), createHash('sha256').update(video).digest()];
  await database.pool.query(`SELECT keep_asset($1, 1, $2, 'video/mp4', $3, $4)`, asset);
  await database.pool.query(`SELECT settle_job($1, 'completed', 1, NULL)`, [id]);
}
