import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '@temporalio/client';
import type { Log } from './log.ts';
import { claimDirectory } from './owner.ts';
import { choosePorts, isListening, type PortWish } from './ports.ts';
import { spawnServer, stopProcess, type StopStep } from './processes.ts';
import type { SearchAttributes } from './search-attributes.ts';
import { becomeReady, TemporalStartError } from './temporal-ready.ts';

export type Ports = Readonly<Record<string, number>>;

/** What the dev server and the server on Postgres have in common: one process, on a directory of its own. */
export interface TemporalProcess {
  readonly command: string;
  /** Where the log, the ports and the process id are kept. A path without symbolic links. */
  readonly directory: string;
  /** A path on its command line, by which a server is recognised that was left from before. */
  readonly marker: string;
  /** The frontend's is `port`. */
  readonly portWishes: readonly PortWish[];
  /** Ports that the caller asked for. The others are those of the last start where they are free. */
  readonly fixedPorts: Ports;
  /** Runs once, when no server is left on the directory. */
  readonly prepare?: () => Promise<void>;
  readonly argumentsFor: (ports: Ports) => readonly string[] | Promise<readonly string[]>;
  /** Absent: our own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Does what a server that is up still lacks, and may be called again after it has failed. */
  readonly complete?: (connection: Connection) => Promise<void>;
  readonly readyMsMax: number;
  readonly searchAttributes: SearchAttributes;
  readonly log: Log;
}

export interface RunningTemporal {
  readonly address: string;
  readonly ports: Ports;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

export const host = '127.0.0.1';

const startsMax = 3;
const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', patienceMs: 10_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
];

/** One whose database went away before it can't end in order, and what it had committed is safe. */
const leftoverStopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', patienceMs: 3_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
];

/** Starts the server and returns once it takes work. One that a killed process left on the directory is stopped first. */
export async function startTemporalProcess(temporal: TemporalProcess): Promise<RunningTemporal> {
  const release = await claimDirectory(temporal.directory, 'temporal');
  try {
    await stopLeftover(temporal);
    await temporal.prepare?.();
    return await startOnFreePorts(temporal, release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** A server whose parent was killed holds the database: two servers on one would fight. */
async function stopLeftover({ directory, marker, log }: TemporalProcess): Promise<void> {
  const pid = Number(await readFile(pidFileIn(directory), 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return;
  log('Stopping a Temporal server left from before, if it still runs', { pid });
  await stopProcess({ pid, marker }, leftoverStopSteps);
  await rm(pidFileIn(directory), { force: true });
}

/** Between the choice of a port and its use another process may take it: then once more with other ports. */
async function startOnFreePorts(temporal: TemporalProcess, release: () => Promise<void>): Promise<RunningTemporal> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnce(temporal, release);
    } catch (error) {
      const portTaken = error instanceof TemporalStartError && error.message.includes('address already in use');
      if (!portTaken || tries >= startsMax) throw error;
      temporal.log('A port was taken meanwhile, trying others', { tries });
    }
  }
}

async function startOnce(temporal: TemporalProcess, release: () => Promise<void>): Promise<RunningTemporal> {
  const { command, directory, environment, log, marker } = temporal;
  const ports = { ...(await choosePorts(portsFileIn(directory), temporal.portWishes)), ...temporal.fixedPorts };
  await refuseTaken(ports);
  const args = await temporal.argumentsFor(ports);
  const logFile = logFileIn(directory);
  const server = await spawnServer({ command, args, logFile, ...(environment && { environment }) });
  await writeFile(pidFileIn(directory), String(server.pid));
  const address = `${host}:${ports['port']}`;
  try {
    await becomeReady({ ...temporal, server, address, logFile });
  } catch (error) {
    await stopProcess({ pid: server.pid, marker }, stopSteps);
    await rm(pidFileIn(directory), { force: true });
    throw error;
  }
  let stopping: Promise<void> | undefined;
  void server.exited.then((reason) => stopping ?? log('Temporal server ended by itself', { reason, logFile }));
  const stop = () => (stopping ??= stopServer(temporal, { pid: server.pid, release }));
  return { address, ports, pid: server.pid, stop };
}

/** Without this look, whoever holds the port could be the one that answers. */
async function refuseTaken(ports: Ports): Promise<void> {
  for (const port of Object.values(ports))
    if (await isListening(host, port)) throw new TemporalStartError(`Port ${port} is in use by another program.`);
}

async function stopServer(
  { directory, marker }: TemporalProcess,
  stopped: { pid: number; release: () => Promise<void> },
) {
  await stopProcess({ pid: stopped.pid, marker }, stopSteps);
  await rm(pidFileIn(directory), { force: true });
  await stopped.release();
}

function logFileIn(directory: string): string {
  return join(directory, 'temporal.log');
}

function portsFileIn(directory: string): string {
  return join(directory, 'temporal.ports.json');
}

function pidFileIn(directory: string): string {
  return join(directory, 'temporal.pid');
}
