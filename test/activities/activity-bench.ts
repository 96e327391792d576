import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pino from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { createActivities, type ActivityDeps } from '../../src/activities/index.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import type { Activities, SubmitOrder } from '../../src/contracts/activities.ts';
import { insertJobs } from '../../src/db/jobs/accept.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { grantPass } from '../../src/dispatch/grant-pass.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import type { VideoRequest } from '../../src/domain/video-request.ts';
import { callerUrlPolicy, vendorUrlPolicy } from '../../src/providers/hostile-url.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import { createSimulator } from '../../src/simulator/simulator.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

export const apiKey = 'simulated';
export const webhookSecret = 'whsec_c2ltdWxhdGVk';
export const publicUrl = 'https://videos.example.com';

const wan: RouteTarget = {
  name: 'wavespeed/wan-2.6',
  provider: 'wavespeed',
  pool: 'wavespeed',
  vendorModel: 'alibaba/wan-2.6/text-to-video',
  typicalMs: 60_000,
  longestMs: 900_000,
  patienceMs: 120_000,
  unknownGraceMs: 120_000,
  unknownPolicy: 'fail',
  callbacks: true,
  stoppable: false,
  priceUsdMicros: 500_000,
};

export interface JobWish {
  /** A fault of the simulator in its own words, as in `submit-500-after`. */
  readonly fault?: string;
  readonly request?: Partial<VideoRequest>;
  readonly target?: Partial<RouteTarget>;
  readonly inputImage?: string;
  readonly inputUrl?: string;
}

const countsSchema = z.object({ submits: z.number(), created: z.number() });
const predictionSchema = z.object({
  id: z.string(),
  webhook: z.string().nullable(),
  input: z.record(z.string(), z.unknown()),
});

export type Prediction = z.infer<typeof predictionSchema>;

/** Everything but what is said here is as in production. Without a URL there can be no callbacks. */
export type BenchDeps = Omit<Partial<ActivityDeps>, 'publicUrl'> & { readonly publicUrl?: string | undefined };

export interface ActivityBench extends TestDatabase {
  /** Where the simulator is. */
  readonly simulator: string;
  readonly store: ObjectStore;
  /** How often a dispatcher was woken. */
  readonly woken: { count: number };
  /** A granted job, and the order to submit its first attempt. */
  orderOne(wish?: JobWish): Promise<SubmitOrder>;
  /** The activities, each run as a worker would. */
  readonly run: {
    readonly [Name in keyof Activities]: (
      order: Parameters<Activities[Name]>[0],
      deps?: BenchDeps,
    ) => ReturnType<Activities[Name]>;
  };
  attemptOf(order: SubmitOrder): Promise<Record<string, unknown>>;
  rowsOf(table: string, order: { jobId: string }): Promise<readonly Record<string, unknown>[]>;
  submits(): Promise<number>;
  /** What the vendor has made of the prompt of this job. */
  predictionsOf(order: SubmitOrder): Promise<readonly Prediction[]>;
  finish(operation: string, status?: 'completed' | 'failed'): Promise<void>;
  setFaults(plan: readonly object[]): Promise<void>;
  close(): Promise<void>;
}

export async function openActivityBench(): Promise<ActivityBench> {
  const database = await createTestDatabase();
  const { pool } = database;
  const simulator = await createSimulator({ seed: 1, apiKey, webhookSecret, tier: 'ultra', timeScale: 1 }).listen();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-activities-'));
  const store = createLocalObjectStore(directory);
  const catalogue = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));
  const woken = { count: 0 };
  const provider = createProvider('wavespeed', {
    baseUrl: `${simulator.origin}/wavespeed`,
    apiKey,
    timeouts: { startMs: 2_000 },
  });
  const vendorPolicy = vendorUrlPolicy({ baseUrl: simulator.origin, plainHttpAllowed: true });
  const control = async (path: string, body?: object): Promise<unknown> => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${simulator.origin}/control/${path}`, init);
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  };
  const activities = ({ publicUrl: url, ...deps }: BenchDeps = { publicUrl }): Activities =>
    createActivities({
      db: pool,
      catalogue,
      providers: new Map([['wavespeed', provider]]),
      remoteFiles: new Map([['wavespeed', createRemoteFiles({ policy: vendorPolicy })]]),
      openInput: (file) => createRemoteFiles({ policy: callerUrlPolicy }).open(file),
      store,
      ...(url === undefined ? {} : { publicUrl: url }),
      log: pino({ level: 'silent' }),
      onQueued: () => (woken.count += 1),
      ...deps,
    });
  const run = async <Answer>(
    deps: BenchDeps | undefined,
    work: (activities: Activities) => Promise<Answer>,
  ): Promise<Answer> => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    return await environment.run(() => work(activities({ publicUrl, ...deps })));
  };
  const promptOf = (jobId: string) => `a fox, for ${jobId}`;
  return {
    ...database,
    simulator: simulator.origin,
    store,
    woken,
    async orderOne({ fault, request, target, inputImage, inputUrl } = {}) {
      const jobId = `video_${uuidv7()}`;
      const marker = fault === undefined ? '' : ` [sim:${fault}]`;
      const wish = { model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' } as const;
      // An account of its own: what the vendor refuses one job for teaches us nothing of the others.
      const account = `wavespeed-${jobId}`;
      await upsertPools(pool, [{ id: account, provider: 'wavespeed', outstandingMax: 10, perMinuteMax: 600 }]);
      await insertJobs(pool, [
        {
          id: jobId,
          tenant: 'default',
          request: { ...wish, prompt: promptOf(jobId) + marker, ...request },
          route: [{ ...wan, pool: account, ...target }],
          inputImage: inputImage ?? null,
          inputUrl: inputUrl ?? null,
          queueTtlSeconds: 3_600,
          idempotency: null,
        },
      ]);
      await grantPass({ pool, submittingMax: 10_000, startSlots: () => 50 });
      const { rows } = await pool.query('SELECT grant_id::text AS grant FROM permits WHERE job = $1', [jobId]);
      return { jobId, attempt: 1, target: 0, grant: rows[0].grant };
    },
    run: {
      submitAttempt: (order, deps) => run(deps, (all) => all.submitAttempt(order)),
      watchAttempt: (order, deps) => run(deps, (all) => all.watchAttempt(order)),
      storeAsset: (order, deps) => run(deps, (all) => all.storeAsset(order)),
      queueAttempt: (order, deps) => run(deps, (all) => all.queueAttempt(order)),
      moveTicket: (order, deps) => run(deps, (all) => all.moveTicket(order)),
      noteRepair: (order, deps) => run(deps, (all) => all.noteRepair(order)),
      settleJob: (order, deps) => run(deps, (all) => all.settleJob(order)),
      stopAttempt: (order, deps) => run(deps, (all) => all.stopAttempt(order)),
    },
    async attemptOf({ jobId, attempt }) {
      const { rows } = await pool.query('SELECT * FROM attempts WHERE job = $1 AND attempt = $2', [jobId, attempt]);
      return rows[0] ?? {};
    },
    async rowsOf(table, { jobId }) {
      return (await pool.query(`SELECT * FROM ${table} WHERE job = $1`, [jobId])).rows;
    },
    submits: async () => countsSchema.parse(await control('counts')).submits,
    async predictionsOf({ jobId }) {
      const all = z.array(predictionSchema).parse(await control('predictions'));
      return all.filter(({ input }) => String(input['prompt']).startsWith(promptOf(jobId)));
    },
    async finish(operation, status = 'completed') {
      await control(`finish/${operation}`, { status });
    },
    async setFaults(plan) {
      await control('faults', [...plan]);
    },
    async close() {
      await simulator.close();
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
}
