import { mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from './log.ts';
import type { SearchAttributes } from './search-attributes.ts';
import { dynamicConfig } from './temporal-dynamic-config.ts';
import { host, type RunningTemporal, startTemporalProcess } from './temporal-process.ts';

export interface DevServerOptions {
  readonly cliPath: string;
  /** Its directory is the server's own: it also holds the log, the ports and the process id. */
  readonly databaseFile: string;
  /** Absent: the port of the last start where it is free, else any. */
  readonly port?: number | undefined;
  readonly uiPort?: number | undefined;
  readonly searchAttributes: SearchAttributes;
  /** Of the server's dynamic configuration, over ours. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly log: Log;
}

export interface RunningDevServer extends RunningTemporal {
  readonly uiUrl: string;
}

const readyMsMax = 30_000;

/** Starts Temporal's development server on a file database, with its web UI, and returns once it takes work. */
export async function startDevServer(options: DevServerOptions): Promise<RunningDevServer> {
  const { cliPath, databaseFile, port, uiPort, searchAttributes, settings = {}, log } = options;
  await mkdir(dirname(databaseFile), { recursive: true });
  // The path on the command line is how a leftover server is recognised, so it must not depend on a symbolic link.
  const directory = await realpath(dirname(databaseFile));
  const database = join(directory, basename(databaseFile));
  const running = await startTemporalProcess({
    command: cliPath,
    directory,
    marker: database,
    portWishes: ['port', 'uiPort'],
    fixedPorts: { ...(port !== undefined && { port }), ...(uiPort !== undefined && { uiPort }) },
    argumentsFor: (ports) =>
      argumentsFor({ database, port: ports['port'] ?? 0, uiPort: ports['uiPort'] ?? 0, searchAttributes, settings }),
    readyMsMax,
    searchAttributes,
    log,
  });
  return { ...running, uiUrl: `http://${host}:${running.ports['uiPort']}` };
}

interface ServerArguments {
  readonly database: string;
  readonly port: number;
  readonly uiPort: number;
  readonly searchAttributes: SearchAttributes;
  readonly settings: NonNullable<DevServerOptions['settings']>;
}

function argumentsFor({ database, port, uiPort, searchAttributes, settings: own }: ServerArguments): string[] {
  const attributes = Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`);
  const settings = Object.entries({ ...dynamicConfig, ...own }).map(([name, value]) => `${name}=${value}`);
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
    ...settings.flatMap((setting) => ['--dynamic-config-value', setting]),
    ...attributes.flatMap((attribute) => ['--search-attribute', attribute]),
  ];
}
