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
  const before = await readDeployment(client, build.deploymentName);
  if (before.current === build.buildId) say(`${build.buildId} is current already.`);
  else {
    await startBeside(settings);
    for (const percentage of before.current === undefined ? [] : settings.ramp) await rampTo(settings, percentage);
    await makeCurrent(settings);
  }
  await retire(settings);
}

/** Gives the build all that is new. For a build whose workers still run this is the way back, and takes a moment. */
export async function makeCurrent({ client, build, say }: Pick<RollOut, 'client' | 'build' | 'say'>): Promise<void> {
  await setCurrent(client, build);
  say(`${build.buildId} is current: what is new goes there.`);
}

async function startBeside(settings: RollOut): Promise<void> {
  const { client, build, start, stop, startWithinSeconds, say } = settings;
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
        `After ${startWithinSeconds} s no worker of ${build.buildId} serves ${missing.join(', ')}. Read its log. Nothing else has changed.`,
      );
    say(`Workers of ${build.buildId} serve every queue.`);
  } catch (error) {
    if (start) await stop?.(build);
    throw error;
  }
}

async function rampTo({ client, build, holdSeconds, check, say }: RollOut, percentage: number): Promise<void> {
  await setRamping(client, build, percentage);
  say(`${build.buildId} gets ${percentage} % of what is new, for ${holdSeconds} s.`);
  await delay(holdSeconds * 1_000);
  try {
    await check?.(build);
  } catch (cause) {
    await setRamping(client, build, 0);
    throw new CommandError(
      1,
      `${build.buildId} did not pass the check at ${percentage} %, and gets nothing new any more. What it began it ends: ` +
        '`npm run deploy -- retire` stops it when that is done.',
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
function leaving({ builds }: DeploymentState, polling: ReadonlySet<string>): readonly string[] {
  return builds.flatMap(({ buildId, status }) =>
    status === 'draining' || (status === 'drained' && polling.has(buildId)) ? [buildId] : [],
  );
}

async function comesTrue(isSo: () => Promise<boolean>, withinSeconds: number): Promise<boolean> {
  const giveUpAt = performance.now() + withinSeconds * 1_000;
  while (!(await isSo())) {
    if (performance.now() >= giveUpAt) return false;
    await delay(limits.deploymentLookEveryMs);
  }
  return true;
}
