import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Connection } from '@temporalio/client';
import { loadCatalogue } from '../../catalogue/load.ts';
import { ConfigError, readConfig } from '../../config.ts';
import { createPool } from '../../db/pool.ts';
import { isProviderKind } from '../../providers/registry.ts';
import { callbackChecks } from './callbacks.ts';
import { type Check, fail, type Finding, ok, reasonOf, type Result, runChecks } from './check.ts';
import { databaseChecks } from './database.ts';
import { providerChecks } from './providers.ts';
import { storageChecks } from './storage.ts';
import { temporalChecks } from './temporal.ts';
import { migrationsDirectory } from '../start.ts';
import { readTemporalSettings } from '../temporal/connection.ts';
import { buildVendors } from '../vendors/vendors.ts';

const usage = `Usage: npm run doctor -- [--json] [--only TEXT]

  Looks at everything that this deployment needs, and says of each what is and what to do. It leaves nothing behind, and
  costs nothing at a provider. Exit code 1 where something does not work. --only: the checks with this in their name.
`;

export interface DoctorSettings {
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
  /** Absent: the process's own. */
  readonly environment?: NodeJS.ProcessEnv;
}

export async function doctor(argv: readonly string[], { say, note, environment }: DoctorSettings): Promise<number> {
  const flags = parse(argv);
  if (flags?.help !== false) {
    (flags === undefined ? note : say)(usage.trimEnd());
    return flags === undefined ? 2 : 0;
  }
  const { results, names } = await examine(flags.only, environment);
  if (results.length === 0) {
    note(`No check has "${flags.only.slice(0, 80)}" in its name. There are ${names.join(', ')}.`);
    return 2;
  }
  if (flags.json) say(JSON.stringify(results, undefined, 2));
  else for (const result of results) for (const line of linesOf(result)) say(line);
  return results.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  json: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch {
    return undefined;
  }
}

function linesOf({ name, verdict, sentence, advice }: Result): readonly string[] {
  const line = `${verdict.padEnd(4)}  ${name}: ${sentence}`;
  return advice === undefined ? [line] : [line, `      ${advice}`];
}

type Read = ReturnType<typeof readConfig>;

interface Examined {
  readonly results: readonly Result[];
  /** Of all checks that there are. */
  readonly names: readonly string[];
}

async function examine(only: string, environment?: NodeJS.ProcessEnv): Promise<Examined> {
  const read = readOr(() => readConfig(environment));
  // Without a configuration there is nobody to ask.
  if (!('config' in read)) return { results: await runChecks([found('configuration', read), versions()]), names: [] };
  const opened: { close(): Promise<unknown> }[] = [];
  try {
    const checks = [...checksOfDatabase(read, opened), ...checksOfTemporal(read, opened), ...storageChecks(read)];
    const all = [versions(), ...(await checksOfCatalogue(read)), ...checks];
    const results = await runChecks(all.filter(({ name }) => name.includes(only)));
    return { results, names: all.map(({ name }) => name) };
  } finally {
    await Promise.allSettled(opened.map((one) => one.close()));
  }
}

type Opened = { close(): Promise<unknown> }[];

function checksOfDatabase({ config, secrets }: Read, opened: Opened): readonly Check[] {
  const { databaseUrl } = config;
  if (databaseUrl === undefined)
    return [found('database', fail('DATABASE_URL is not set.', 'Set it to the database of the API.'))];
  const pool = createPool({ url: databaseUrl, connectionsMax: 3, name: 'doctor', onError: () => undefined });
  opened.push({ close: () => pool.end() });
  return [
    ...databaseChecks({ config, secrets, databaseUrl, pool, migrationsDirectory }),
    ...callbackChecks({ config, pool }),
  ];
}

function checksOfTemporal(read: Read, opened: Opened): readonly Check[] {
  const prepared = readOr(() => {
    const settings = readTemporalSettings(read);
    // Nothing is tried again: who asks wants to know how it is, and now.
    return { settings, connection: Connection.lazy({ ...settings.connection, interceptors: [] }) };
  });
  if (!('connection' in prepared)) return [found('Temporal', prepared)];
  opened.push(prepared.connection);
  return temporalChecks(prepared);
}

/** Whether the catalogue and the keys make a deployment, and then each provider. */
async function checksOfCatalogue({ config, secrets }: Read): Promise<readonly Check[]> {
  try {
    const catalogue = await loadCatalogue(config.cataloguePath, isProviderKind);
    const { notices } = buildVendors(catalogue, config, secrets);
    const said = ['The configuration and the catalogue are valid.', ...notices].join(' ');
    return [found('configuration', ok(said)), ...providerChecks({ config, secrets, catalogue })];
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error('it is not readable');
    return [found('configuration', fail(message.replaceAll('\n', ' '), 'See docs/configuration.md.'))];
  }
}

function found(name: string, finding: Finding): Check {
  return { name, run: async () => finding, advice: '' };
}

function readOr<Value extends object>(read: () => Value): Value | Finding {
  try {
    return read();
  } catch (error) {
    // What a client does not like of its settings ends its own checks alone: the others may say why.
    const sentence = error instanceof ConfigError ? error.message.replaceAll('\n', ' ') : `${reasonOf(error)}.`;
    return fail(sentence, 'See docs/configuration.md.');
  }
}

function versions(): Check {
  const release = versionOf(new URL('../../../package.json', import.meta.url));
  const sdk = versionOf(new URL(import.meta.resolve('@temporalio/client/package.json')));
  return found('versions', ok(`Spillway ${release}, Node ${process.version}, Temporal SDK ${sdk}.`));
}

function versionOf(url: URL): string {
  const read: unknown = JSON.parse(readFileSync(url, 'utf8'));
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : 'unknown';
}
