import { Connection, type Client } from '@temporalio/client';
import { readConfig } from '../../config.ts';
import type { Build } from '../../domain/build.ts';
import { limits } from '../../domain/limits/limits.ts';
import { pollingBuilds, readDeployment, servedQueues } from '../../operations/worker-deployment.ts';
import { CommandError } from '../command-line/command-error.ts';
import { type DeploySettings, parseDeploy, readFlags } from './options.ts';
import { assertRuns, makeCurrent, retire, rollOut } from './roll-out.ts';
import { createTemporalClient, noServer, readTemporalSettings } from '../temporal/connection.ts';

const usage = `Usage: npm run deploy -- <command>                  needs TEMPORAL_ADDRESS; docs/upgrades.md says more

  status                builds of the workers: which is current, which still end what they began
  roll-out BUILD        start it beside the old one, make it current, wait until the old one is drained, stop that
  set-current BUILD     what is new goes there from now on; for a build that still runs it is the way back
  retire                wait until builds that are not current are drained, and stop them

  --start COMMAND       starts the workers of a build; it, --stop and --check find its name in $WORKER_BUILD_ID
  --stop COMMAND        stops the workers of a build
  --ramp 5,25           shares of what is new, in per cent, before all of it; each for --hold seconds (60)
  --check COMMAND       after each share; where it fails, the new build gets nothing more
  --start-within S      until the new workers serve every queue (${limits.rollOutStartSecondsMax})
  --drain-within S      until the old ones are drained (${limits.rollOutDrainSecondsMax})
  --dry-run             only say what would be done
`;

export interface DeployTerminal {
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
}

/** Replaces one build of the workers by another. Returns the exit code: 2 for what was typed, 1 for what is in its way. */
export async function deploy(argv: readonly string[], { say, note }: DeployTerminal): Promise<number> {
  try {
    const { positionals, values } = parseDeploy(argv);
    const [name = '', ...operands] = positionals;
    if (values.help || name === '') {
      (values.help ? say : note)(usage.trimEnd());
      return values.help ? 0 : 2;
    }
    const command = commands[name];
    if (command === undefined)
      throw new CommandError(2, `There is no such command: ${name}. See npm run deploy -- --help.`);
    const typed = { buildId: checkedBuildId(command.needsBuild, operands), ...readFlags(values) };
    await withClient(async (client, deploymentName) => {
      await command.run({ client, build: { deploymentName, buildId: typed.buildId }, say, ...typed });
    });
    return 0;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    note(error.message);
    return error.exitCode;
  }
}

const commands: Readonly<
  Record<string, { readonly needsBuild: boolean; readonly run: (settings: DeploySettings) => Promise<void> }>
> = {
  status: { needsBuild: false, run: status },
  'roll-out': { needsBuild: true, run: (settings) => (settings.isDryRun ? announce(settings) : rollOut(settings)) },
  'set-current': {
    needsBuild: true,
    run: (settings) => (settings.isDryRun ? announceCurrent(settings) : makeCurrent(settings)),
  },
  retire: {
    needsBuild: false,
    run: (settings) => (settings.isDryRun ? announceRetirement(settings) : retire(settings)),
  },
};

async function status({ client, build: { deploymentName }, say }: DeploySettings): Promise<void> {
  const { builds, ramping } = await readDeployment(client, deploymentName);
  const polling = await pollingBuilds(client, deploymentName);
  if (builds.length === 0) say(`No worker of the deployment ${deploymentName} with a WORKER_BUILD_ID was ever seen.`);
  for (const { buildId, status: word } of builds) {
    const share = ramping?.buildId === buildId ? ` ${ramping.percentage} %` : '';
    say(`${buildId}  ${word}${share}${polling.has(buildId) ? '' : ', no worker runs'}`);
  }
}

async function announce(settings: DeploySettings): Promise<void> {
  const { client, build, ramp, holdSeconds, commands: given, say } = settings;
  const { current } = await readDeployment(client, build.deploymentName);
  const polling = await pollingBuilds(client, build.deploymentName);
  if (current === build.buildId) {
    await announceEndOfRamp(settings);
    say(`${build.buildId} is current already.`);
  } else {
    if (polling.has(build.buildId)) say(`${build.buildId} runs already.`);
    else say(`would start ${build.buildId}: ${given['start'] ?? 'nothing is run, somebody else starts it'}`);
    say(`would wait until it serves ${servedQueues.join(', ')}`);
    if (current !== undefined)
      for (const percentage of ramp)
        say(`would give it ${percentage} % for ${holdSeconds} s, then check: ${given['check'] ?? 'nothing is run'}`);
    await announceEndOfRamp(settings);
    say(becomesCurrent(build));
    if (current !== undefined)
      say(`would wait until ${current} is drained, and stop it: ${given['stop'] ?? 'nothing is run'}`);
  }
  await announceRetirement(settings);
}

async function announceCurrent(settings: DeploySettings): Promise<void> {
  await assertRuns(settings);
  await announceEndOfRamp(settings);
  settings.say(becomesCurrent(settings.build));
}

async function announceEndOfRamp({ client, build, say }: DeploySettings): Promise<void> {
  const { ramping } = await readDeployment(client, build.deploymentName);
  if (ramping !== undefined && ramping.buildId !== build.buildId)
    say(`would take its ${ramping.percentage} % from ${ramping.buildId}`);
}

async function announceRetirement({
  client,
  build: { deploymentName },
  commands: given,
  say,
}: DeploySettings): Promise<void> {
  const { builds } = await readDeployment(client, deploymentName);
  for (const { buildId, status: word } of builds)
    if (word === 'draining')
      say(`would wait until ${buildId} is drained, and stop it: ${given['stop'] ?? 'nothing is run'}`);
}

function becomesCurrent({ buildId }: Build): string {
  return `would make ${buildId} current`;
}

function checkedBuildId(isNeeded: boolean, operands: readonly string[]): string {
  const [buildId, ...further] = isNeeded ? operands : ['', ...operands];
  if (further.length > 0)
    throw new CommandError(2, `This is one word too many: ${further.join(' ')}. See npm run deploy -- --help.`);
  if (!isNeeded) return '';
  if (buildId !== undefined && /^[A-Za-z0-9._-]{1,100}$/.test(buildId)) return buildId;
  throw new CommandError(2, 'Name a build, as its workers have it in WORKER_BUILD_ID: letters, digits, dots, - and _.');
}

const connectMsMax = 10_000;

async function withClient(work: (client: Client, deploymentName: string) => Promise<void>): Promise<void> {
  const { config, secrets } = readConfig();
  const settings = readTemporalSettings({ config, secrets });
  const connection = await Connection.connect({ ...settings.connection, connectTimeout: connectMsMax }).catch(
    (cause: unknown) => {
      throw new CommandError(1, noServer(settings, cause).message, { cause });
    },
  );
  try {
    await work(createTemporalClient(settings, connection), config.workerDeployment);
  } finally {
    await connection.close();
  }
}
