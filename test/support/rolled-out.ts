import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { startDevServer } from '../../src/embedded/temporal.ts';
import { makeTestDirectory } from './servers.ts';
import { programArgs, project } from './program.ts';
import { until } from './until.ts';

/** A server that says at once what another one says after three minutes: that nobody needs a build any more. */
export async function startQuickServer(): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const directory = await makeTestDirectory();
  const server = await startDevServer({
    cliPath: inject('temporalCliPath'),
    databaseFile: join(directory, 'temporal.db'),
    searchAttributes: searchAttributeTypes,
    settings: {
      'matching.wv.VersionDrainageStatusVisibilityGracePeriod': '"2s"',
      'matching.wv.VersionDrainageStatusRefreshInterval': '"2s"',
    },
    log: () => undefined,
  });
  return {
    address: server.address,
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** One run of `npm run deploy`. */
export interface DeployRun {
  readonly code: Promise<number>;
  /** What it has said so far. */
  output(): string;
}

/** Deploys with real processes, as an operator who has one machine and a shell. */
export interface Deployer {
  run(...words: readonly string[]): DeployRun;
  /** Start and stop, as its options. */
  readonly hooks: readonly string[];
  isRunning(buildId: string): boolean;
  pidOf(buildId: string): number | undefined;
  log(buildId: string): string;
  close(): Promise<void>;
}

const cli = [process.execPath, ...programArgs].join(' ');

export async function createDeployer(env: () => Readonly<Record<string, string>>): Promise<Deployer> {
  const directory = await makeTestDirectory();
  const file = `${directory}/$WORKER_BUILD_ID`;
  const start = `OPS_PORT=0 ${cli} worker >> "${file}.log" 2>&1 & echo $! > "${file}.pid"`;
  // One that nobody has waited for yet is a zombie, and has ended.
  const stop = `pid=$(cat "${file}.pid"); kill -TERM $pid; while ps -o stat= -p $pid | grep -q '^[^Z]'; do sleep 0.2; done`;
  const children: ChildProcess[] = [];
  const read = (name: string): string => {
    const path = join(directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  };
  const pidOf = (buildId: string): number | undefined => Number(read(`${buildId}.pid`)) || undefined;
  return {
    hooks: ['--start', start, '--stop', stop],
    run(...words) {
      const child = spawn(process.execPath, [...programArgs, 'deploy', ...words], {
        cwd: project,
        env: env(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.push(child);
      let output = '';
      const keep = (chunk: Buffer): void => void (output += chunk.toString());
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      const code = once(child, 'close').then(([code]: number[]) => code ?? -1);
      return { code, output: () => output };
    },
    pidOf,
    isRunning: (buildId) => isAlive(pidOf(buildId)),
    log: (buildId) => read(`${buildId}.log`),
    async close() {
      for (const child of children) child.kill('SIGKILL');
      const builds = readdirSync(directory).flatMap((name) => (name.endsWith('.pid') ? [name.slice(0, -4)] : []));
      for (const build of builds) if (isAlive(pidOf(build))) process.kill(pidOf(build) ?? 0, 'SIGKILL');
      await until('all have ended', () => builds.every((build) => !isAlive(pidOf(build))));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    // On Linux one that has ended and that nobody has waited for yet is there still.
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] : 'R';
    process.kill(pid, 0);
    return state !== 'Z';
  } catch {
    return false;
  }
}
