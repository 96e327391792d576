import { parseArgs } from 'node:util';
import { type Client, Connection } from '@temporalio/client';
import { readConfig } from '../../config.ts';
import { createPool } from '../../db/pool.ts';
import { CommandError } from '../command-line/command-error.ts';
import { commandFailure } from '../command-line/command-failure.ts';
import { afterRestore } from './after-restore.ts';
import { actionsCommand, actionsUsage } from './actions.ts';
import { controlUsage, drainCommand, limitsCommand, pauseCommand, resumeCommand } from './control.ts';
import { type OpsFlags, opsOptions } from './options.ts';
import { orphans } from './orphans.ts';
import { overviewCommand } from './overview.ts';
import { poolsCommand } from './pools.ts';
import { repairCommand, repairUsage } from './repair.ts';
import { showCommand } from './show.ts';
import { stuckCommand } from './stuck.ts';
import type { OpsCommand } from './task.ts';
import { createTemporalClient, noServer, readTemporalSettings, type TemporalSettings } from '../temporal/connection.ts';

const usage = `Usage: npm run ops -- <command>                    needs DATABASE_URL, and TEMPORAL_ADDRESS where workflows are asked

  stuck [--cause CAUSE] [--limit N] [--json]   jobs that do not get on, the longest first, with what to do
  show ID [--json]                             one job: cause, since when, next step, and a command that is safe
  overview [--json]                            every pool: line, permits, zombies, breakers, pauses; stuck jobs by cause
  after-restore --reason TEXT|--dry-run [--lost N]  after Postgres was restored, before any worker starts (docs/restore.md)
  orphans list [--json]; orphans adopt --reason TEXT|--dry-run
                                               what vendors have, or told us of, that is in no ledger${repairUsage}${controlUsage}${actionsUsage}
`;

/** The first words of a command line, longest first where one begins like another. */
const commands: Readonly<Record<string, OpsCommand>> = {
  stuck: stuckCommand,
  show: showCommand,
  overview: overviewCommand,
  'after-restore': afterRestore,
  orphans,
  repair: repairCommand,
  pools: poolsCommand,
  pause: pauseCommand,
  resume: resumeCommand,
  drain: drainCommand,
  limits: limitsCommand,
  actions: actionsCommand,
};

export interface OpsSettings {
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
}

/** Runs one command of an operator. Returns the exit code: 2 for what was typed, 1 for what is in its way. */
export async function ops(argv: readonly string[], settings: OpsSettings): Promise<number> {
  try {
    const { positionals, flags } = parse(argv);
    const [name = ''] = positionals;
    const command = commands[name];
    if (flags.help === true || name === '') {
      (flags.help === true ? settings.say : settings.note)(usage.trimEnd());
      return flags.help === true ? 0 : 2;
    }
    if (command === undefined)
      throw new CommandError(2, `There is no such command: ${name}. See npm run ops -- --help.`);
    return await run(command, { operands: positionals.slice(1), flags, settings });
  } catch (error) {
    const failure = commandFailure(error);
    if (!(failure instanceof CommandError)) throw failure;
    settings.note(failure.message);
    return failure.exitCode;
  }
}

function parse(argv: readonly string[]): { positionals: readonly string[]; flags: OpsFlags } {
  try {
    const { positionals, values } = parseArgs({ args: [...argv], allowPositionals: true, options: opsOptions });
    return { positionals, flags: values };
  } catch (cause) {
    throw new CommandError(2, cause instanceof Error ? cause.message : 'The options are not valid.', { cause });
  }
}

interface Run {
  readonly operands: readonly string[];
  readonly flags: OpsFlags;
  readonly settings: OpsSettings;
}

const connectMsMax = 10_000;
/** Reports of everything that waits: only the operator waits for them. */
const statementTimeoutMs = 30_000;

async function run(command: OpsCommand, { operands, flags, settings }: Run): Promise<number> {
  const { config, secrets } = readConfig();
  if (config.databaseUrl === undefined)
    throw new CommandError(2, 'DATABASE_URL is not set. Set it to the database of the API.');
  const pool = createPool({
    url: config.databaseUrl,
    connectionsMax: 2,
    name: 'ops',
    statementTimeoutMs,
    onError: () => undefined,
  });
  let connecting: Promise<Connection> | undefined;
  const temporal = async (): Promise<Client> => {
    const settings = readTemporalSettings({ config, secrets });
    connecting ??= connect(settings);
    return createTemporalClient(settings, await connecting);
  };
  try {
    return await command({ pool, temporal, config, operands, flags, ...settings });
  } finally {
    await pool.end();
    await connecting?.then((connection) => connection.close()).catch(() => undefined);
  }
}

async function connect(settings: TemporalSettings): Promise<Connection> {
  try {
    return await Connection.connect({ ...settings.connection, connectTimeout: connectMsMax });
  } catch (cause) {
    throw new CommandError(1, noServer(settings, cause).message, { cause });
  }
}
