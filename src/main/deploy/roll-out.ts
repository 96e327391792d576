import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Build } from '../../domain/build.ts';
import { limits } from '../../domain/limits/limits.ts';
import {
  type DeploymentState,
  pollingBuilds,
  queuesWithout,
  readDeployment,
  setCurrent,
  setRamping,
} from '../../operations/worker-deployment.ts';
import { CommandError } from '../command-line/command-error.ts';
import { comesTrue } from './comes-true.ts';

/** What the operator's own commands do, since only they know where workers run. */
export interface RollOutHooks {
  /** Returns once the workers of the build are started. Absent: somebody else starts them. */
  readonly start?: (build: Build) => Promise<void>;
  /** Stops the workers of the build; they finish what they are at. Absent: they go on. */
  readonly stop?: (build: Build) => Promise<void>;
  /** Throws where the new build is not to get more than it has. */
  readonly check?: (build: Build) => Promise<void>;
}

export interface RollOut extends RollOutHooks {
  readonly client: Client;
  readonly build: Build;
  /** Per cent, each a step on the way to all. */
  readonly ramp: readonly number[];
  readonly holdSeconds: number;
  readonly startWithinSeconds: number;
  readonly drainWithinSeconds: number;
  readonly say: (line: string) => void;
}

/**
 * Puts a build beside the one that is there, gives it what is new, and takes the old one away once nobody needs it. It may
 * be cut off anywhere and begun anew: each step looks first at what is so already.
 */
export async function rollOut(settings: RollOut): Promise<void> {
  const { client, build, say } = settings;
  const { current, ramping } = await readDeployment(client, build.deploymentName);
  if (current === build.buildId) {
    await endRamp(settings, (buildId) => buildId !== build.buildId);
    say(`${build.buildId} is current already.`);
  } else {
    await startBeside(settings);
    const had = ramping?.buildId === build.buildId ? ramping.percentage : 0;
    const ahead = current === undefined ? [] : settings.ramp.filter((percentage) => percentage >= had);
    for (const percentage of ahead) await rampTo(settings, percentage);
    await makeCurrent(settings);
  }
  await retire(settings);
}

type Routed = Pick<RollOut, 'client' | 'build' | 'say'>;

/** Gives the build all that is new. For a build whose workers still run this is the way back, and takes a moment. */
export async function makeCurrent(settings: Routed): Promise<void> {
  const { client, build, say } = settings;
  await assertRuns(settings);
  await endRamp(settings, (buildId) => buildId !== build.buildId);
  await setCurrent(client, build);
  say(`${build.buildId} is current: what is new goes there.`);
}

/** Temporal knows a build for long after its last worker has ended, and would have what is new wait there for nobody. */
export async function assertRuns(settings: Pick<RollOut, 'client' | 'build'>): Promise<void> {
  const { deploymentName, buildId } = settings.build;
  if ((await pollingBuilds(settings.client, deploymentName)).has(buildId)) return;
  throw new CommandError(
    1,
    `No worker of ${buildId} runs: nobody would work on what is new. Start its workers, or have \`npm run deploy -- roll-out ${buildId}\` do it with --start.`,
  );
}

/** A share that another build has stays with it whichever build is made current, until somebody takes it back. */
async function endRamp({ client, build, say }: Routed, isMeant: (buildId: string) => boolean): Promise<void> {
  const { ramping } = await readDeployment(client, build.deploymentName);
  if (ramping === undefined || !isMeant(ramping.buildId)) return;
  await setRamping(client, build, 0);
  say(`${ramping.buildId} does not get its ${ramping.percentage} % any more.`);
}

/** Whether they ask anew: those that ended a minute ago look like those that wait for an answer. */
async function runsStill({ client, build, say }: Routed): Promise<boolean> {
  const lastAsked = async () => (await pollingBuilds(client, build.deploymentName)).get(build.buildId);
  const before = await lastAsked();
  if (before === undefined) return false;
  say(`Waiting for a sign of the workers of ${build.buildId}, ${limits.pollerSecondsSeen} s at most.`);
  let after: number | undefined = before;
  await comesTrue(async () => (after = await lastAsked()) !== before, limits.pollerSecondsSeen);
  return after !== undefined && after !== before;
}

async function startBeside(settings: RollOut): Promise<void> {
  const { client, build, stop, startWithinSeconds, say } = settings;
  // Begun anew, or on the way back to a build that is not drained yet, it has jobs: it is neither started twice nor stopped.
  const start = (await runsStill(settings)) ? undefined : settings.start;
  try {
    if (start) say(`Starting the workers of ${build.buildId}.`);
    await start?.(build);
    let missing: readonly string[] = [];
    const isServed = async (): Promise<boolean> => {
      missing = await queuesWithout(client, build);
      return missing.length === 0;
    };
    if (!(await comesTrue(isServed, startWithinSeconds)))
      throw new CommandError(
        1,
        `After ${startWithinSeconds} s no worker of ${build.buildId} serves ${missing.join(', ')}. Read its log. What was there goes on as before.`,
      );
    say(`Workers of ${build.buildId} serve every queue.`);
  } catch (error) {
    if (start) {
      await endRamp(settings, (buildId) => buildId === build.buildId);
      await stop?.(build);
    }
    throw error;
  }
}

async function rampTo(settings: RollOut, percentage: number): Promise<void> {
  const { client, build, holdSeconds, check, say } = settings;
  await setRamping(client, build, percentage);
  say(`${build.buildId} gets ${percentage} % of what is new, for ${holdSeconds} s.`);
  await delay(holdSeconds * 1_000);
  try {
    await assertRuns(settings);
    await check?.(build);
  } catch (cause) {
    await setRamping(client, build, 0);
    throw new CommandError(
      1,
      `${build.buildId} did not pass the check at ${percentage} %, and gets nothing new any more. What it began it ends: ` +
        `\`npm run deploy -- retire\` stops it when that is done. ${cause instanceof Error ? cause.message : ''}`.trimEnd(),
      { cause },
    );
  }
}

export interface Retirement extends Pick<RollOut, 'client' | 'stop' | 'drainWithinSeconds' | 'say'> {
  readonly build: Pick<Build, 'deploymentName'>;
}

/** Waits until nobody needs the other builds any more, and stops them, each as soon as it may be. */
export async function retire(settings: Retirement): Promise<void> {
  const { client, build, stop, drainWithinSeconds, say } = settings;
  const { deploymentName } = build;
  const polling = await pollingBuilds(client, deploymentName);
  const waiting = new Set(leaving(await readDeployment(client, deploymentName), polling));
  for (const buildId of waiting) say(`${buildId} goes on with what it began.`);
  const isEmpty = async (): Promise<boolean> => {
    for (const { buildId, status } of (await readDeployment(client, deploymentName)).builds) {
      if (!waiting.has(buildId)) continue;
      // Somebody went back to it: it is not leaving any more.
      if (status !== 'draining') waiting.delete(buildId);
      if (status !== 'drained') continue;
      await stop?.({ deploymentName, buildId });
      say(`${buildId} is drained${stop ? ' and stopped' : ': its workers may be stopped'}.`);
    }
    return waiting.size === 0;
  };
  if (await comesTrue(isEmpty, drainWithinSeconds)) return;
  throw new CommandError(
    1,
    `After ${drainWithinSeconds} s ${[...waiting].join(', ')} is not drained. Its workers run on. Repeat the command to wait on.`,
  );
}

/** One that has drained meanwhile, and that nobody has stopped, is to go too. */
function leaving({ builds }: DeploymentState, polling: ReadonlyMap<string, number>): readonly string[] {
  return builds.flatMap(({ buildId, status }) =>
    status === 'draining' || (status === 'drained' && polling.has(buildId)) ? [buildId] : [],
  );
}
