import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { Log } from './log.ts';
import { claimDirectory } from './owner.ts';
import { choosePorts, isListening } from './ports.ts';
import { spawnServer, stopProcess, tailOf, type ServerProcess, type StopStep } from './processes.ts';
import { addSearchAttributes, type SearchAttributes } from './search-attributes.ts';

export interface DevServerOptions {
  readonly cliPath: string;
  /** Its directory is the server's own: it also holds the log, the ports and the process id. */
  readonly databaseFile: string;
  /** Absent: the port of the last start where it is free, else any. */
  readonly port?: number | undefined;
  readonly uiPort?: number | undefined;
  readonly searchAttributes: SearchAttributes;
  readonly log: Log;
}

export interface RunningDevServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

class DevServerError extends Error {
  override name = 'DevServerError';
}

const host = '127.0.0.1';
const startsMax = 3;
const readyTimeoutMs = 30_000;
const pollMs = 50;
const notFoundCode = 5;
const stopSteps: readonly StopStep[] = [
  { signal: 'SIGTERM', patienceMs: 10_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
];

/** Starts Temporal's development server on a file database, with its web UI, and returns once it takes work. */
export async function startDevServer(options: DevServerOptions): Promise<RunningDevServer> {
  await mkdir(dirname(options.databaseFile), { recursive: true });
  // The path on the command line is how a leftover server is recognised, so it must not depend on a symbolic link.
  const directory = await realpath(dirname(options.databaseFile));
  const files = filesIn(directory, basename(options.databaseFile));
  const release = await claimDirectory(directory, 'temporal');
  try {
    await stopLeftover(files, options.log);
    return await startOnFreePorts({ options, files, release });
  } catch (error) {
    await release();
    throw error;
  }
}

interface Files {
  readonly database: string;
  readonly log: string;
  readonly ports: string;
  readonly pid: string;
}

interface Start {
  readonly options: DevServerOptions;
  readonly files: Files;
  readonly release: () => Promise<void>;
}

function filesIn(directory: string, name: string): Files {
  return {
    database: join(directory, name),
    log: join(directory, 'temporal.log'),
    ports: join(directory, 'temporal.ports.json'),
    pid: join(directory, 'temporal.pid'),
  };
}

/** A server whose parent was killed holds the database file: two servers on one file would fight. */
async function stopLeftover(files: Files, log: Log): Promise<void> {
  const pid = Number(await readFile(files.pid, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return;
  log('Stopping a Temporal server left from before, if it still runs', { pid });
  await stopProcess({ pid, marker: files.database }, stopSteps);
  await rm(files.pid, { force: true });
}

/** Between the choice of a port and its use another process may take it: then once more with other ports. */
async function startOnFreePorts(start: Start): Promise<RunningDevServer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnce(start);
    } catch (error) {
      const portTaken = error instanceof DevServerError && error.message.includes('address already in use');
      if (!portTaken || tries >= startsMax) throw error;
      start.options.log('A port was taken meanwhile, trying others', { tries });
    }
  }
}

async function startOnce({ options, files, release }: Start): Promise<RunningDevServer> {
  const { cliPath, searchAttributes, log } = options;
  const chosen = await choosePorts(files.ports, ['port', 'uiPort']);
  const port = options.port ?? chosen['port'] ?? 0;
  const uiPort = options.uiPort ?? chosen['uiPort'] ?? 0;
  await refuseTaken([port, uiPort]);
  const args = argumentsFor({ database: files.database, port, uiPort, searchAttributes });
  const server = await spawnServer({ command: cliPath, args, logFile: files.log });
  await writeFile(files.pid, String(server.pid));
  const stop = async () => await stopServer({ server, files, release });
  try {
    await becomeReady({ port, server, searchAttributes, logFile: files.log });
  } catch (error) {
    await stopProcess({ pid: server.pid, marker: files.database }, stopSteps);
    throw error;
  }
  const running = { address: `${host}:${port}`, uiUrl: `http://${host}:${uiPort}`, pid: server.pid };
  let stopping: Promise<void> | undefined;
  void server.exited.then(
    (reason) => stopping ?? log('Temporal server ended by itself', { reason, logFile: files.log }),
  );
  return { ...running, stop: () => (stopping ??= stop()) };
}

/** Without this look, whoever holds the port could be the one that answers. */
async function refuseTaken(ports: readonly number[]): Promise<void> {
  for (const port of ports)
    if (await isListening(host, port)) throw new DevServerError(`Port ${port} is in use by another program.`);
}

async function stopServer(stopped: { server: ServerProcess; files: Files; release: () => Promise<void> }) {
  await stopProcess({ pid: stopped.server.pid, marker: stopped.files.database }, stopSteps);
  await rm(stopped.files.pid, { force: true });
  await stopped.release();
}

interface ServerArguments {
  readonly database: string;
  readonly port: number;
  readonly uiPort: number;
  readonly searchAttributes: SearchAttributes;
}

function argumentsFor({ database, port, uiPort, searchAttributes }: ServerArguments): string[] {
  const attributes = Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`);
  return [
    'server',
    'start-dev',
    '--log-level=warn',
    `--ip=${host}`,
    `--port=${port}`,
    `--ui-port=${uiPort}`,
    `--db-filename=${database}`,
    // Without these SQLite syncs each transaction and the server does a tenth of the work.
    ...['journal_mode=wal', 'synchronous=off'].flatMap((pragma) => ['--sqlite-pragma', pragma]),
    ...dynamicConfig.flatMap((value) => ['--dynamic-config-value', value]),
    ...attributes.flatMap((attribute) => ['--search-attribute', attribute]),
  ];
}

/** One partition suits one process; the rates keep the defaults of a shared cluster from throttling a lone user. */
const dynamicConfig = [
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'frontend.enableServerVersionCheck=false',
  'frontend.rps=20000',
  'frontend.namespaceRPS=20000',
  'frontend.namespaceRPS.visibility=500',
  'frontend.namespaceCount=20000',
  'history.rps=20000',
  'matching.rps=20000',
];

interface Readiness {
  readonly port: number;
  readonly server: ServerProcess;
  readonly searchAttributes: SearchAttributes;
  readonly logFile: string;
}

async function becomeReady({ port, server, searchAttributes, logFile }: Readiness): Promise<void> {
  const connection = Connection.lazy({ address: `${host}:${port}` });
  try {
    const deadline = Date.now() + readyTimeoutMs;
    for (;;) {
      const ready = await answers(connection, port);
      if (server.exitReason() !== undefined)
        throw new DevServerError(`Temporal ended at start (${server.exitReason()}): ${await tailOf(logFile)}`);
      if (ready) break;
      if (Date.now() > deadline)
        throw new DevServerError(`Temporal did not answer within ${readyTimeoutMs / 1_000} s, see ${logFile}`);
      await sleep(pollMs);
    }
    await addSearchAttributes(connection, searchAttributes);
  } finally {
    await connection.close();
  }
}

/** The frontend answers before history and matching do; a start that comes between would fail, so all are asked. */
async function answers(connection: Connection, port: number): Promise<boolean> {
  // A gRPC client that is refused once waits a second before it tries again.
  if (!(await isListening(host, port))) return false;
  const { workflowService } = connection;
  try {
    return await connection.withDeadline(Date.now() + 2_000, async () => {
      await workflowService.describeTaskQueue({ namespace: 'default', taskQueue: { name: 'readiness' } });
      return await workflowService
        .describeWorkflowExecution({ namespace: 'default', execution: { workflowId: 'readiness' } })
        .then(() => true);
    });
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === notFoundCode;
  }
}
