import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { Log } from './log.ts';
import type { SearchAttributes } from './search-attributes.ts';
import { type Ports, type RunningTemporal, startTemporalProcess } from './temporal-process.ts';
import { namespace } from './temporal-ready.ts';
import { applyTemporalSchema } from './temporal-schema.ts';
import { readPostgresUrl, renderDynamicConfig, renderServerConfig, portWishes } from './temporal-server-config.ts';
import type { TemporalServerPrograms } from './temporal-server-programs.ts';

export interface TemporalServerOptions {
  readonly programs: TemporalServerPrograms;
  /** Of an account that may create databases: Temporal gets two of its own beside the one that is named. */
  readonly postgresUrl: string;
  /** The server's own: its configuration, log, ports and process id. */
  readonly directory: string;
  /** Absent: the port of the last start where it is free, else any. */
  readonly port?: number | undefined;
  readonly searchAttributes: SearchAttributes;
  readonly log: Log;
}

/** After a crash it first takes its shards again; on a busy machine that may be a while. */
const readyMsMax = 90_000;
const alreadyExistsCode = 6;

/**
 * Starts Temporal's own server, all four services in one process, on a Postgres that runs, and returns once it takes
 * work. What the dev server does not show can be measured here: real commits, shards, and lists from a database apart.
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<RunningTemporal> {
  const { programs, postgresUrl, port, searchAttributes, log } = options;
  await mkdir(options.directory, { recursive: true });
  // The path on the command line is how a leftover server is recognised, so it must not depend on a symbolic link.
  const directory = await realpath(options.directory);
  const configFile = join(directory, 'server.yaml');
  return await startTemporalProcess({
    command: programs.server,
    directory,
    marker: configFile,
    portWishes,
    fixedPorts: port === undefined ? {} : { port },
    prepare: async () => await applyTemporalSchema({ sqlTool: programs.sqlTool, postgresUrl, directory, log }),
    argumentsFor: async (ports) => {
      await writeConfig({ directory, configFile, ports, postgresUrl });
      return ['--config-file', configFile, '--allow-no-auth', 'start'];
    },
    // It reads variables that begin as ours do, and has no business with the keys of our vendors.
    environment: {},
    complete: namespaceMaker(),
    readyMsMax,
    searchAttributes,
    log,
  });
}

interface Config {
  readonly directory: string;
  readonly configFile: string;
  readonly ports: Ports;
  readonly postgresUrl: string;
}

async function writeConfig({ directory, configFile, ports, postgresUrl }: Config): Promise<void> {
  const dynamicConfigFile = join(directory, 'dynamic-config.yaml');
  await writeFile(dynamicConfigFile, renderDynamicConfig());
  const text = renderServerConfig({ postgres: readPostgresUrl(postgresUrl), ports, dynamicConfigFile });
  // The password of Postgres is in it.
  await writeFile(configFile, text, { mode: 0o600 });
}

/** The dev server brings its namespace; here it is made once, and kept for as long as histories are there. */
function namespaceMaker(): (connection: Connection) => Promise<void> {
  let known = false;
  return async ({ workflowService }) => {
    if (known) return;
    const retention = { workflowExecutionRetentionPeriod: msToTs('1 day') };
    try {
      await workflowService.registerNamespace({ namespace, ...retention });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === alreadyExistsCode)) throw error;
    }
    known = true;
  };
}
