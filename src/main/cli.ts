#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ConfigError, readConfig } from '../config.ts';
import { readTemporalServerKind } from '../embedded/temporal-server-kind.ts';
import { createLogger } from '../logger.ts';
import { activityFields } from './worker/activity-fields.ts';
import { asTyped } from './command-line/as-typed.ts';
import { admin } from './admin/admin.ts';
import { deploy } from './deploy/deploy.ts';
import { demo } from './demo/demo.ts';
import { doctor } from './doctor/doctor.ts';
import { modelsCheck } from './vendors/models-check.ts';
import { ops } from './ops/ops.ts';
import { plan } from './plan/plan.ts';
import { replay } from './deploy/replay.ts';
import { runApi } from './run-api.ts';
import { runSimulator } from './run-simulator.ts';
import { runWorker } from './worker/run-worker.ts';
import { serveOps } from './serve-ops.ts';
import { joinDatabase, migrateDatabase, readCatalogue, seedDatabase, type Setting, startStack } from './start.ts';
import { createStarted, type Started, untilSignal } from './stop.ts';
import { temporalPostgres } from './temporal-postgres.ts';
import { registerSearchAttributes } from './temporal/attributes.ts';
import { installRuntime, readTemporalSettings } from './temporal/connection.ts';

const usage = `Usage: spillway <command>

  demo       everything on this machine with simulated vendors, one request from end to end
             --once            stop when the video is there
             --model NAME      a model of the catalogue
             --prompt TEXT     --selfie FILE
  start      API and worker in one process; runs Postgres and Temporal itself where none are configured
             --temporal KIND   dev, or postgres as below; for demo and start
  migrate    bring the database, and Temporal's search attributes, up to this release    needs DATABASE_URL, TEMPORAL_ADDRESS
  api        the API alone          needs DATABASE_URL, TEMPORAL_ADDRESS
  worker     a worker alone         needs DATABASE_URL, TEMPORAL_ADDRESS
  simulator  the vendors' protocols, played on SIMULATOR_PORT
  temporal:postgres  Postgres and Temporal's own server on it, which takes Go and five minutes to build, once
  admin      tenants, their limits and their keys    needs DATABASE_URL; --help says more
  ops        stuck jobs, repairs, pauses and limits   needs DATABASE_URL, TEMPORAL_ADDRESS; --help says more
  doctor     is everything there that this deployment needs; costs nothing, leaves nothing behind; --help says more
  deploy     builds of the workers: roll out, go back, retire    needs TEMPORAL_ADDRESS; --help says more
  replay     whether histories could be of this build, before it is deployed; --help says more
  plan       how long a backlog takes at each account level, and what it costs; --help says more
  models:check  compare the catalogue with what WaveSpeed says today; costs nothing
`;

type Command = (setting: Setting, started: Started, values: Flags) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  demo: runDemo,
  start,
  migrate,
  api,
  worker,
  simulator,
  'temporal:postgres': temporalPostgres,
  'models:check': checkModels,
};

interface Flags {
  readonly once: boolean;
  readonly model: string;
  readonly prompt: string;
  readonly selfie: string;
  readonly temporal: string;
}

const assets = new URL('../../assets/', import.meta.url);

function parse(argv: readonly string[]): { command: string | undefined; flags: Flags } {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      once: { type: 'boolean', default: false },
      model: { type: 'string', default: 'wan-2.6' },
      prompt: { type: 'string', default: 'She turns to the camera and smiles, city lights behind her, cinematic' },
      selfie: { type: 'string', default: fileURLToPath(new URL('selfie.jpg', assets)) },
      temporal: { type: 'string', default: 'dev' },
    },
  });
  return { command: values.help ? undefined : positionals[0], flags: values };
}

async function runDemo(setting: Setting, started: Started, flags: Flags): Promise<number> {
  return (await demo(setting, flags, started)) ? 0 : 1;
}

async function start(setting: Setting, started: Started): Promise<number> {
  const { api, backends } = await startStack(setting, started);
  setting.log.info({ api: api.url, ops: api.opsUrl, temporalUi: backends.temporalUiUrl }, 'Spillway is up');
  await setting.stopped;
  return 0;
}

async function migrate(setting: Setting): Promise<number> {
  const databaseUrl = required(setting.config.databaseUrl, 'DATABASE_URL');
  const { vendors } = await readCatalogue(setting);
  await migrateDatabase(setting, databaseUrl);
  await seedDatabase(setting, databaseUrl, vendors);
  await prepareTemporal(setting);
  return 0;
}

/** The schema stands by now, whatever becomes of this: to run `migrate` again is safe. */
async function prepareTemporal(setting: Setting): Promise<void> {
  if (!setting.config.temporal.isConfigured) {
    setting.log.warn('TEMPORAL_ADDRESS is not set: search attributes are not registered, and no worker starts without');
    return;
  }
  setting.log.info('the database is migrated');
  await registerSearchAttributes(readTemporalSettings(setting));
  setting.log.info('search attributes are registered');
}

async function api(setting: Setting, started: Started): Promise<number> {
  const running = await runApi(await configured(setting));
  started.add(running);
  setting.log.info({ api: running.url, ops: running.opsUrl }, 'API is up');
  await setting.stopped;
  return 0;
}

async function worker(setting: Setting, started: Started): Promise<number> {
  await installRuntime();
  const settings = await configured(setting);
  started.add(await runWorker(settings));
  const ops = started.add(await serveOps(settings));
  setting.log.info({ ops: ops.url }, 'worker is up');
  await setting.stopped;
  return 0;
}

async function simulator(setting: Setting, started: Started): Promise<number> {
  const { origin, close } = await runSimulator(setting);
  started.add({ stop: close });
  setting.log.info({ origin }, 'simulator is up');
  await setting.stopped;
  return 0;
}

async function checkModels(setting: Setting): Promise<number> {
  return (await modelsCheck(setting, (line) => void process.stdout.write(`${line}\n`))) ? 0 : 1;
}

/** What `api` and `worker` need: they embed nothing, and refuse to guess. */
async function configured(setting: Setting) {
  const databaseUrl = required(setting.config.databaseUrl, 'DATABASE_URL');
  const temporal = readTemporalSettings(setting);
  const { catalogue, vendors } = await readCatalogue(setting);
  await joinDatabase(setting, databaseUrl, vendors);
  return { ...setting, databaseUrl, temporal, catalogue, vendors, publicUrl: setting.config.api.publicUrl };
}

function required(value: string | undefined, name: string): string {
  if (value === undefined)
    throw new ConfigError(`${name} is not set. Set it, or use \`npm start\`, which brings its own servers.`);
  return value;
}

/** Runs one command, and stops what it has started whatever happens. */
async function main(argv: readonly string[]): Promise<number> {
  // These have options of their own, and start nothing.
  if (argv[0] === 'admin') return await runAdmin(argv.slice(1));
  if (argv[0] === 'doctor') return await doctor(argv.slice(1), terminal);
  if (argv[0] === 'ops') return await ops(argv.slice(1), terminal);
  if (argv[0] === 'deploy') return await deploy(argv.slice(1), terminal);
  if (argv[0] === 'replay') return await replay(argv.slice(1), terminal);
  if (argv[0] === 'plan') return await plan(argv.slice(1), (text) => void process.stdout.write(asTyped(text)));
  const { command, flags } = parse(argv);
  const run = command === undefined ? undefined : commands[command];
  if (command === undefined || run === undefined) {
    (command === undefined ? process.stdout : process.stderr).write(usage);
    return command === undefined ? 0 : 2;
  }
  const temporalServer = readTemporalServerKind(flags.temporal);
  const { config, secrets } = readConfig();
  const isDemo = command === 'demo';
  const log = createLogger({
    level: config.logLevel,
    part: command,
    fields: activityFields,
    // The demo's own output is for reading; its log is beside it.
    ...(isDemo ? { destination: `${config.dataDirectory}/demo/demo.log` } : {}),
  });
  const started = createStarted((error) => log.error({ err: error }, 'stopping failed'));
  const stopped = untilSignal();
  try {
    // A signal ends a command wherever it is; what it was just starting is stopped when it is there.
    return await Promise.race([
      run({ config, secrets, log, temporalServer, stopped }, started, flags),
      stopped.then(() => 0),
    ]);
  } finally {
    await started.stopAll();
    endWhateverHappens();
  }
}

async function runAdmin(argv: readonly string[]): Promise<number> {
  return await admin(argv, { databaseUrl: () => readConfig().config.databaseUrl, ...terminal });
}

const terminal = {
  say: (line: string): void => void process.stdout.write(`${asTyped(line)}\n`),
  note: (line: string): void => void process.stderr.write(`${asTyped(line)}\n`),
};

/** Everything is stopped in order. Should anything still hold the process, say a start that waits for a server, it goes. */
function endWhateverHappens(): void {
  setTimeout(() => process.exit(), 5_000).unref();
}

// A reader that has gone, as in `| head`, is no reason to leave servers behind: go on without it, to the end.
process.stdout.on('error', () => undefined);

try {
  const code = await main(process.argv.slice(2));
  // What ended it may have said already that it did not end well.
  process.exitCode ||= code;
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${asTyped(message)}\n`);
  process.exitCode = 1;
}
