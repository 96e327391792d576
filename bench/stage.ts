import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/embedded/postgres.ts';
import { choosePorts } from '../src/embedded/ports.ts';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { type CatalogueWish, writeCatalogue } from './catalogue.ts';
import type { Measured } from './cpu.ts';
import { type Program, runProgram, startProgram } from './program.ts';
import { root } from './root.ts';
import { startTemporal } from './temporal.ts';

const cacheDirectory = join(root, '.spillway/cache');

export interface Stage {
  readonly directory: string;
  readonly databaseUrl: string;
  /** Where Temporal's server keeps its databases: beside the jobs, unless they are to be apart. */
  readonly temporalPostgresUrl: string;
  /** Undefined where the bench runs without Temporal. */
  readonly temporalAddress: string | undefined;
  readonly ports: Ports;
  readonly webhookSecret: string;
  readonly apiKey: string;
  readonly cataloguePath: string;
  /** The servers, for the reading of CPU time. */
  readonly servers: readonly Measured[];
  readonly stop: () => Promise<void>;
}

interface Ports {
  readonly api: number;
  readonly ops: number;
  readonly simulator: number;
}

export interface StageWish {
  readonly temporal: TemporalServerKind | false;
  /** Absent: the shipped one without any account's limits. */
  readonly catalogue?: CatalogueWish;
  /** Temporal's server gets a Postgres of its own, so that what each writes can be told from the other. */
  readonly isApart?: boolean;
}

const quiet = (): void => undefined;

/**
 * Servers of our own in a directory of our own, which is gone afterwards. Postgres syncs as it would in production: a
 * 202 that is not on the disk is not what we measure.
 */
export async function openStage({
  temporal,
  catalogue = { kind: 'unlimited' },
  isApart = false,
}: StageWish): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
  // The account that runs Postgres for root has to reach it.
  await chmod(directory, 0o755);
  const started: (() => Promise<void>)[] = [() => rm(directory, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const one of started.toReversed()) await one();
  };
  try {
    const postgres = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), log: quiet });
    started.push(postgres.stop);
    const other = isApart
      ? await startEmbeddedPostgres({ directory: join(directory, 'postgres-of-temporal'), log: quiet })
      : undefined;
    if (other !== undefined) started.push(other.stop);
    const temporalPostgresUrl = other?.url ?? postgres.url;
    const server =
      temporal === false
        ? undefined
        : await startTemporal(temporal, { directory, postgresUrl: temporalPostgresUrl, cacheDirectory });
    if (server !== undefined) started.push(server.stop);
    const [api = 0, ops = 0, simulator = 0] = Object.values(
      await choosePorts(join(directory, 'ports.json'), ['api', 'ops', 'simulator']),
    );
    // Servers of their own session outlive a bench that is cut short; an exit hook can do no more than kill.
    const abandon = (): void => {
      for (const pid of [postgres.pid, other?.pid, server?.pid]) killNow(pid);
      rmSync(directory, { recursive: true, force: true });
    };
    process.once('exit', abandon);
    started.push(async () => void process.off('exit', abandon));
    const stage: Stage = {
      directory,
      databaseUrl: postgres.url,
      temporalPostgresUrl,
      temporalAddress: server?.address,
      ports: { api, ops, simulator },
      webhookSecret: `whsec_${randomBytes(24).toString('base64')}`,
      apiKey: randomBytes(16).toString('hex'),
      cataloguePath: await writeCatalogue(directory, catalogue),
      servers: [
        { name: 'postgres', pid: postgres.pid, withChildren: true },
        ...(other === undefined ? [] : [{ name: "Temporal's postgres", pid: other.pid, withChildren: true }]),
        ...(server === undefined ? [] : [{ name: 'temporal', pid: server.pid }]),
      ],
      stop,
    };
    await runProgram({ ...programOf(stage, 'migrate'), args: ['migrate'] });
    return stage;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A part of Spillway, from the build, with the settings of the bench. */
export async function startSpillway(
  stage: Stage,
  part: 'api' | 'worker',
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const settings = programOf(stage, part);
  const readyText = part === 'api' ? 'API is up' : 'worker is up';
  return await startProgram({ ...settings, args: [part], env: { ...settings.env, ...env }, readyText });
}

/** Workers beside each other, as in a deployment that has more than one machine. */
export async function startWorkers(
  stage: Stage,
  { count, env = {} }: { readonly count: number; readonly env?: Readonly<Record<string, string>> },
): Promise<readonly Program[]> {
  const workers: Program[] = [];
  for (let number = 1; number <= count; number += 1) {
    const settings = programOf(stage, 'worker');
    const names = { name: `worker-${number}`, logFile: join(stage.directory, `worker-${number}.log`) };
    const readyText = 'worker is up';
    const started = { ...settings, ...names, args: ['worker'], env: { ...settings.env, ...env }, readyText };
    workers.push(await startProgram(started));
  }
  return workers;
}

/** The vendor: its largest account, and videos that take a third of a second, unless they are to take longer. */
export async function startSimulator(stage: Stage, timeScale = '0.005'): Promise<Program> {
  return await startProgram({
    name: 'simulator',
    script: join(root, 'dist/main/cli.js'),
    args: ['simulator'],
    env: {
      HOST: '127.0.0.1',
      SIMULATOR_PORT: String(stage.ports.simulator),
      SIMULATOR_TIER: 'ultra',
      SIMULATOR_TIME_SCALE: timeScale,
      CATALOGUE_PATH: stage.cataloguePath,
      WAVESPEED_WEBHOOK_SECRET: stage.webhookSecret,
    },
    logFile: join(stage.directory, 'simulator.log'),
    readyText: 'simulator is up',
  });
}

function programOf(stage: Stage, name: string) {
  const { ports, directory } = stage;
  return {
    name,
    script: join(root, 'dist/main/cli.js'),
    logFile: join(directory, `${name}.log`),
    env: {
      DATABASE_URL: stage.databaseUrl,
      // The API asks it nothing to accept a job, so a place where nobody listens will do.
      // To migrate is to register search attributes with it, so there it counts as not configured.
      TEMPORAL_ADDRESS: stage.temporalAddress ?? (name === 'migrate' ? '' : '127.0.0.1:1'),
      HOST: '127.0.0.1',
      PORT: String(ports.api),
      OPS_PORT: name === 'worker' ? '0' : String(ports.ops),
      PUBLIC_URL: `http://127.0.0.1:${ports.api}`,
      SPILLWAY_API_KEY: stage.apiKey,
      CATALOGUE_PATH: stage.cataloguePath,
      DATA_DIRECTORY: join(directory, 'data'),
      SIMULATOR_URL: `http://127.0.0.1:${ports.simulator}`,
      WAVESPEED_WEBHOOK_SECRET: stage.webhookSecret,
      // Durations of the catalogue as they are: patience and polls are for videos that get lost, and here none does.
      SIMULATOR_TIME_SCALE: '1',
    },
  } as const;
}

function killNow(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
