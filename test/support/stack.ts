import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import { parse, stringify } from 'yaml';
import { createPool } from '../../src/db/pool.ts';
import { audit } from './auditor.ts';
import { createTestDatabase } from './database.ts';
import { createPart, type Exit, type Part } from './processes.ts';
import { programArgs, project } from './program.ts';
import { makeTestDirectory } from './servers.ts';
import { balanceApis, createParts, findPlaces, type PartCounts, type PartName, startParts } from './stack-parts.ts';
import { createNamespace } from './temporal-namespace.ts';
import { type Patience, until } from './until.ts';
import { createVendorControl, type VendorControl } from './vendor-control.ts';

export interface StackOptions {
  /** Over what the harness sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** What each provider account allows. Absent: so much that nothing waits. */
  readonly limits?: { readonly outstanding: number; readonly perMinute: number };
  /** Of the catalogue's providers, targets of these only. Absent: of all. */
  readonly providers?: readonly string[];
  /** Models of the test's own: their targets, in order. */
  readonly models?: Readonly<Record<string, readonly string[]>>;
  /** Servers of the test's own, to be stopped and killed. Absent: a fresh database and namespace on those of the run. */
  readonly databaseUrl?: string;
  readonly temporalAddress?: string;
  /** Processes of each kind. Absent: one. Several APIs stand behind a balancer, which is the stack's `url` then. */
  readonly counts?: PartCounts;
  /** Whether all that was accepted is to be waited for and audited after a test. Absent: yes. */
  readonly endsSound?: () => boolean;
  /** Where the processes find Temporal, when it is not where the test does: behind a proxy. */
  readonly temporalAddressOfParts?: string;
}

export interface Video {
  readonly id: string;
  readonly status: 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
  readonly error: { readonly code: string } | null;
  readonly served_by: { readonly provider: string; readonly model: string } | null;
  readonly attempts: number;
}

export interface CancelledVideo extends Video {
  readonly cancellation: {
    readonly state: 'cancelled' | 'requested' | 'too_late';
    readonly provider_stops: boolean;
    readonly may_still_cost_usd: number | null;
  };
}

export type Wish = Readonly<Record<string, unknown>> & { readonly prompt: string };

/** The whole system as real processes, and what a test does with it. */
export interface Stack {
  readonly pool: pg.Pool;
  readonly vendor: VendorControl;
  readonly temporal: Client;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly url: string;
  /** What its processes get: for those that a test starts by other means. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the one API, past the balancer before several. */
  apiUrl(name: PartName): string;
  /** Of health and metrics. */
  opsUrl(name: PartName): string;
  /** All that it has written. */
  log(name: PartName): Promise<string>;
  start(name: PartName): Promise<void>;
  /** Sends the signal and returns the end that came of it. */
  end(name: PartName, signal: NodeJS.Signals): Promise<Exit>;
  post(wish: Wish, headers?: Record<string, string>): Promise<Response>;
  /** Posts, expects a 202, and has the auditor follow the job. */
  accept(wish: Wish, headers?: Record<string, string>): Promise<Video>;
  /** Has the auditor follow a job that was accepted by other means. */
  follow(id: string): void;
  /** Has the auditor know that the job was lost with a restore: it is in no ledger, and vendors may have it. */
  lose(id: string): void;
  /** Runs `npm run ops` with these words. */
  ops(...words: readonly string[]): Promise<{ readonly code: number; readonly output: string }>;
  get(id: string): Promise<Video>;
  cancel(id: string): Promise<CancelledVideo>;
  untilFinal(id: string, patience?: Patience): Promise<Video>;
  untilAllFinal(ids: readonly string[], patience?: Patience): Promise<readonly Video[]>;
  /** Waits until nothing moves any more, and has everything audited. */
  expectSound(): Promise<void>;
  close(failed?: boolean): Promise<void>;
}

/** For a server of the test's own and a handful of processes on a machine that is busy. */
const openMsMax = 300_000;

/** The same for every vendor. */
const webhookSecret = `whsec_${Buffer.from('a secret of end-to-end tests').toString('base64')}`;
const timeScale = '0.02';

/** A stack for the tests of one file. After each test that has passed so far the auditor has to find nothing. */
export function useStack(options: () => StackOptions | Promise<StackOptions> = () => ({})): Stack {
  let stack: Stack | undefined;
  let failed = false;
  let endsSound: StackOptions['endsSound'];
  beforeAll(async () => {
    const wanted = await options();
    ({ endsSound } = wanted);
    stack = await openStack(wanted);
  }, openMsMax);
  afterEach(async ({ task }) => {
    failed ||= task.result?.state === 'fail';
    if (failed || endsSound?.() === false) return;
    failed = true;
    await stack?.expectSound();
    failed = false;
  });
  afterAll(async () => await stack?.close(failed));
  return lazily(() => stack);
}

/** Stands for what only exists once the tests run. */
function lazily<Thing extends object>(find: () => Thing | undefined): Thing {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody sees the target, only what the handler finds.
  return new Proxy({} as Thing, {
    get: (_target, name) => {
      const thing = find();
      if (thing === undefined) throw new Error('it is not there before the tests run');
      return Reflect.get(thing, name);
    },
  });
}

async function openStack(options: StackOptions): Promise<Stack> {
  const directory = await makeTestDirectory();
  const database = options.databaseUrl === undefined ? await createTestDatabase() : undefined;
  const databaseUrl = options.databaseUrl ?? database?.url ?? '';
  const pool = database?.pool ?? createPool({ url: databaseUrl, connectionsMax: 5, name: 'test', onError: () => {} });
  const temporalAddress = options.temporalAddress ?? inject('temporalAddress');
  const connection = await Connection.connect({ address: temporalAddress });
  const namespace = await createNamespace(connection, temporalAddress);
  const places = await findPlaces(options.counts ?? { api: 1, worker: 1 });
  const publicUrl = `http://127.0.0.1:${places.publicPort}`;
  const simulator = `http://127.0.0.1:${places.simulatorPort}`;
  const env = {
    ...baseEnvironment(),
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: options.temporalAddressOfParts ?? temporalAddress,
    TEMPORAL_NAMESPACE: namespace,
    PUBLIC_URL: publicUrl,
    SIMULATOR_PORT: String(places.simulatorPort),
    SIMULATOR_URL: simulator,
    DATA_DIRECTORY: join(directory, 'data'),
    CATALOGUE_PATH: await writeCatalogue(options, directory),
    ...options.env,
  };
  const logFile = (name: string): string => join(directory, `${name}.log`);
  const parts = createParts(places, { env, logFile });
  const partOf = (name: PartName): Part => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`the stack has no ${name}`);
    return part;
  };
  const balancer = await balanceApis(places);
  const migrate = createPart({ command: 'migrate', env, logFile: logFile('migrate') });
  const close = async (failed = false): Promise<void> => {
    const running = [...parts.values()].filter((part) => part.isRunning());
    await Promise.all(running.map((part) => part.end('SIGKILL')));
    if (failed) for (const part of parts.values()) printTail(part);
    await balancer?.close();
    await connection.close();
    await (database === undefined ? pool.end() : database.drop());
    await rm(directory, { recursive: true, force: true });
  };
  await mkdir(env.DATA_DIRECTORY, { recursive: true });
  // A database of the harness has its schema already: there the others need not wait for `migrate`, which is slow to load.
  const migrating = migrate.start();
  try {
    if (database === undefined) await migrating;
    await Promise.all([migrating, startParts(parts)]);
  } catch (error) {
    await close(true);
    throw error;
  }

  const vendor = createVendorControl(simulator);
  const temporal = new Client({ connection, namespace });
  const accepted = new Set<string>();
  const lost = new Set<string>();
  return {
    pool,
    vendor,
    temporal,
    temporalAddress,
    namespace,
    url: env.PUBLIC_URL,
    env,
    apiUrl: (name) => `http://127.0.0.1:${places.portOf(name)}`,
    opsUrl: (name) => `http://127.0.0.1:${places.opsPortOf(name)}`,
    log: (name) => readFile(logFile(name), 'utf8'),
    start: (name) => partOf(name).start(),
    end: (name, signal) => partOf(name).end(signal),
    follow: (id) => void accepted.add(id),
    lose(id) {
      accepted.delete(id);
      lost.add(id);
    },
    ops: (...words) => runOps(words, { ...env, OPS_PORT: '0' }),
    ...createCalls({ url: env.PUBLIC_URL, accepted, pool }),
    async expectSound() {
      await untilQuiet({ pool, vendor, temporal, accepted });
      expect(await audit({ pool, simulator, accepted: [...accepted], lost: [...lost] })).toEqual([]);
    },
    close,
  };
}

async function runOps(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; output: string }> {
  const settings = { cwd: project, env, timeout: 100_000 };
  return await new Promise((resolve) => {
    execFile(process.execPath, [...programArgs, 'ops', ...words], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

/** Nothing of the surroundings but what a program needs to run: the test's own configuration must not leak in. */
export function baseEnvironment() {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    NODE_ENV: 'test',
    SIMULATOR_TIER: 'ultra',
    SIMULATOR_TIME_SCALE: timeScale,
    WAVESPEED_WEBHOOK_SECRET: webhookSecret,
    REPLICATE_WEBHOOK_SECRET: webhookSecret,
    RECONCILE_EVERY_SECONDS: '2',
    LOG_LEVEL: 'info',
  };
}

interface CatalogueText {
  readonly providers: Record<string, { pools: object }>;
  readonly models: Record<string, { targets: readonly string[]; [field: string]: unknown }>;
  readonly targets: Record<string, { readonly provider: string }>;
}

/** The catalogue that we ship, with the limits and the targets that a test wants. */
async function writeCatalogue({ limits, providers, models = {} }: StackOptions, directory: string): Promise<string> {
  const catalogue: CatalogueText = parse(await readFile(join(import.meta.dirname, '../../models.yaml'), 'utf8'));
  const { outstanding = 5_000, perMinute = 5_000 } = limits ?? {};
  for (const provider of Object.values(catalogue.providers))
    provider.pools = Object.fromEntries(
      Object.keys(provider.pools).map((pool) => [pool, { outstanding, per_minute: perMinute }]),
    );
  const isWanted = (target: string): boolean => providers?.includes(catalogue.targets[target]?.provider ?? '') ?? true;
  for (const [name, model] of Object.entries(catalogue.models)) {
    const targets = model.targets.filter(isWanted);
    if (targets.length > 0) model.targets = targets;
    else if (model.targets.length > 0) delete catalogue.models[name];
  }
  for (const [name, targets] of Object.entries(models))
    catalogue.models[name] = { maker: 'test', added: '2026-11-21', targets, fallbacks: [] };
  const path = join(directory, 'models.yaml');
  await writeFile(path, stringify(catalogue));
  return path;
}

interface Caller {
  readonly url: string;
  readonly accepted: Set<string>;
  readonly pool: pg.Pool;
}

type Calls = Pick<Stack, 'post' | 'accept' | 'get' | 'cancel' | 'untilFinal' | 'untilAllFinal'>;

function createCalls({ url, accepted, pool }: Caller): Calls {
  const post = async (wish: Wish, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`${url}/v1/videos`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'wan-2.6', ...wish }),
    });
  const get = async (id: string): Promise<Video> => await videoOf(await fetch(`${url}/v1/videos/${id}`), 200);
  const untilAllFinal = async (ids: readonly string[], patience?: Patience): Promise<readonly Video[]> => {
    await until(
      `the end of ${ids.length} jobs`,
      async () => {
        const { rows } = await pool.query<{ what: string }>(
          `SELECT id || ' is ' || phase AS what FROM jobs WHERE id = ANY($1::text[]) AND finished_at IS NULL LIMIT 5`,
          [ids],
        );
        if (rows.length > 0) throw new Error(rows.map(({ what }) => what).join(', '));
        return true;
      },
      { everyMs: 100, ...patience },
    );
    return await Promise.all(ids.map(get));
  };
  return {
    post,
    async accept(wish, headers) {
      const video = await videoOf(await post(wish, headers), 202);
      accepted.add(video.id);
      return video;
    },
    get,
    cancel: async (id) =>
      await videoOf<CancelledVideo>(await fetch(`${url}/v1/videos/${id}/cancel`, { method: 'POST' }), 200),
    async untilFinal(id, patience) {
      const isFinal = ({ status }: Video): boolean => status !== 'queued' && status !== 'in_progress';
      return await until(
        `the end of ${id}`,
        async () => {
          const video = await get(id);
          return isFinal(video) ? video : undefined;
        },
        patience,
      );
    },
    untilAllFinal,
  };
}

export async function videoOf<Kind extends Video = Video>(response: Response, status: number): Promise<Kind> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`answered ${response.status}, not ${status}: ${text}`);
  return JSON.parse(text);
}

interface Quietening {
  readonly pool: pg.Pool;
  readonly vendor: VendorControl;
  readonly temporal: Client;
  readonly accepted: ReadonlySet<string>;
}

/** All jobs ended, all mail delivered or leased, all workflows closed, and the slots of what has ended at the vendor free. */
async function untilQuiet({ pool, vendor, temporal, accepted }: Quietening): Promise<void> {
  const patience = { withinMs: 60_000, everyMs: 100 };
  await until(
    'quiet',
    async () => {
      const { rows } = await pool.query<{ what: string }>(
        `SELECT 'open ' || id AS what FROM jobs WHERE id = ANY($1::text[]) AND finished_at IS NULL
         UNION ALL SELECT 'mail ' || kind || ' ' || job FROM mailbox WHERE leased_until <= clock_timestamp()`,
        [[...accepted]],
      );
      // Webhooks are tried for three days, also those that nobody will ever take; the overview stands for good.
      const running = await temporal.workflow.count(
        `ExecutionStatus = 'Running' AND WorkflowType NOT IN ('deliverWebhook', 'overview')`,
      );
      const held = await findHeld(pool, vendor);
      const moving = [
        ...rows.map(({ what }) => what),
        ...held,
        ...(running.count > 0 ? [`${running.count} workflows`] : []),
      ];
      if (moving.length > 0) throw new Error(moving.slice(0, 10).join(', '));
      return true;
    },
    patience,
  );
}

/** Permits of what has ended at the vendor: the next round of the reconciler takes them. */
async function findHeld(pool: pg.Pool, vendor: VendorControl): Promise<readonly string[]> {
  const { rows } = await pool.query<{ id: string }>(`SELECT job || '.' || attempt AS id FROM permits`);
  if (rows.length === 0) return [];
  const held = new Set(rows.map(({ id }) => id));
  const predictions = await vendor.predictions();
  return predictions.flatMap(({ correlation, status }) =>
    correlation !== null && held.has(correlation) && status !== 'created' && status !== 'processing'
      ? [`permit ${correlation}`]
      : [],
  );
}

export function printTail(part: Part): void {
  process.stderr.write(`\n--- the last of ${part.command}'s log\n${part.log().slice(-8_000)}\n`);
}
