import { parseArgs } from 'node:util';
import { createPool } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import { CommandError } from '../command-line/command-error.ts';
import { createKey, listKeysOf, revoke } from './keys.ts';
import { adminOptions, type AdminFlags } from './options.ts';
import type { AdminTask } from './task.ts';
import { changeTenant, createTenant, listAllTenants, showTenant } from './tenants.ts';
import { commandFailure } from '../command-line/command-failure.ts';

const usage = `Usage: npm run admin -- <command>                              needs DATABASE_URL

  tenant create ID [options]   makes a tenant and its first key, which is shown once, alone on standard output
  tenant set ID [options]      changes what is named; \`none\` lifts a limit or a budget
  tenant show ID
  tenant list
      --name TEXT              for people
      --requests-per-minute N  requests to the API
      --queued-max N           jobs that wait; --queued-per-user-max N of one end user
      --outstanding-max N      jobs that wait or are under way
      --day-budget-usd X       --month-budget-usd X, both of UTC
      --weight W               its share beside the others of its class (1)

  key create TENANT            shown once, alone on standard output; a tenant has ${limits.activeKeysMax} at most, to change over
      --name TEXT              for people
      --scopes LIST            of read, write, webhooks, admin (read,write,webhooks)
      --expires-in TIME        as 90d, 12h or 30m; without it the key does not expire
  key list [TENANT]
  key revoke ID                or the whole key; no process takes it any more within a minute

  What changes something is written down for \`npm run ops -- actions\`: --by NAME (the user of this machine), --reason TEXT.
`;

export interface AdminSettings {
  readonly databaseUrl: () => string | undefined;
  /** What was asked for: standard output. */
  readonly say: (line: string) => void;
  /** What is to be said about it: standard error. */
  readonly note: (line: string) => void;
}

const commands: Readonly<Record<string, (task: AdminTask) => Promise<void>>> = {
  'tenant create': createTenant,
  'tenant set': changeTenant,
  'tenant show': showTenant,
  'tenant list': listAllTenants,
  'key create': createKey,
  'key list': listKeysOf,
  'key revoke': revoke,
};

/** Runs one command of the operator's. Returns the exit code: 2 for what was typed, 1 for what the database says. */
export async function admin(argv: readonly string[], settings: AdminSettings): Promise<number> {
  try {
    const { positionals, flags } = parse(argv);
    if (flags.help || positionals.length === 0) {
      (flags.help ? settings.say : settings.note)(usage.trimEnd());
      return flags.help ? 0 : 2;
    }
    await run(positionals, flags, settings);
    return 0;
  } catch (error) {
    const failure = commandFailure(error);
    if (!(failure instanceof CommandError)) throw failure;
    settings.note(failure.message);
    return failure.exitCode;
  }
}

function parse(argv: readonly string[]): { positionals: readonly string[]; flags: AdminFlags } {
  try {
    const { positionals, values } = parseArgs({ args: [...argv], allowPositionals: true, options: adminOptions });
    return { positionals, flags: values };
  } catch (cause) {
    throw new CommandError(2, cause instanceof Error ? cause.message : 'The options are not valid.', { cause });
  }
}

async function run(positionals: readonly string[], flags: AdminFlags, settings: AdminSettings): Promise<void> {
  const [noun = '', verb = '', subject, ...more] = positionals;
  const command = commands[`${noun} ${verb}`];
  if (command === undefined || more.length > 0)
    throw new CommandError(2, `There is no such command: ${positionals.join(' ')}. See npm run admin -- --help.`);
  const url = settings.databaseUrl();
  if (url === undefined) throw new CommandError(2, 'DATABASE_URL is not set. Set it to the database of the API.');
  const pool = createPool({ url, connectionsMax: 1, name: 'admin', onError: () => undefined });
  try {
    await command({ pool, subject, flags, say: settings.say, note: settings.note });
  } finally {
    await pool.end();
  }
}
