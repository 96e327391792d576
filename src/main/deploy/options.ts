import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { Build } from '../../domain/build.ts';
import { limits } from '../../domain/limits/limits.ts';
import { CommandError } from '../command-line/command-error.ts';
import type { RollOut, RollOutHooks } from './roll-out.ts';

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  'dry-run': { type: 'boolean', default: false },
  start: { type: 'string' },
  stop: { type: 'string' },
  check: { type: 'string' },
  ramp: { type: 'string', default: '' },
  hold: { type: 'string', default: '60' },
  'start-within': { type: 'string', default: String(limits.rollOutStartSecondsMax) },
  'drain-within': { type: 'string', default: String(limits.rollOutDrainSecondsMax) },
} as const;

export type DeployFlags = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
/** A roll-out as it was typed. */
export type DeploySettings = RollOut & {
  readonly isDryRun: boolean;
  readonly commands: Readonly<Record<string, string>>;
};

export function parseDeploy(argv: readonly string[]): { positionals: readonly string[]; values: DeployFlags } {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options });
  } catch (cause) {
    throw new CommandError(2, cause instanceof Error ? cause.message : 'The options are not valid.', { cause });
  }
}

export function readFlags(flags: DeployFlags): Omit<DeploySettings, 'client' | 'build' | 'say'> {
  const ramp = flags.ramp === '' ? [] : flags.ramp.split(',').map((text) => numberOf('--ramp', text, [1, 99]));
  const given = { start: flags.start, stop: flags.stop, check: flags.check };
  return {
    ramp,
    holdSeconds: numberOf('--hold', flags.hold, [0, limits.rollOutHoldSecondsMax]),
    startWithinSeconds: numberOf('--start-within', flags['start-within'], [1, limits.rollOutWaitSecondsMax]),
    drainWithinSeconds: numberOf('--drain-within', flags['drain-within'], [1, limits.rollOutWaitSecondsMax]),
    isDryRun: flags['dry-run'],
    commands: Object.fromEntries(Object.entries(given).flatMap(([name, text]) => (text ? [[name, text]] : []))),
    ...hooksOf(given),
  };
}

function numberOf(name: string, text: string, [min, max]: readonly [number, number]): number {
  const number = Number(text);
  if (text !== '' && number >= min && number <= max) return number;
  throw new CommandError(2, `${name} has to be a number from ${min} to ${max}.`);
}

function hooksOf(given: Readonly<Record<keyof RollOutHooks, string | undefined>>): RollOutHooks {
  return {
    ...(given.start && { start: shell(given.start) }),
    ...(given.stop && { stop: shell(given.stop) }),
    ...(given.check && { check: shell(given.check) }),
  };
}

/** Runs as the operator's own shell would run it, and shows what it says. */
function shell(command: string): (build: Build) => Promise<void> {
  return async ({ deploymentName, buildId }) => {
    // oxlint-disable-next-line node/no-process-env -- a command of the operator's gets the operator's surroundings.
    const env = { ...process.env, WORKER_DEPLOYMENT_NAME: deploymentName, WORKER_BUILD_ID: buildId };
    const child = spawn(command, { shell: true, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const timer = setTimeout(() => child.kill(), limits.rollOutCommandSecondsMax * 1_000);
    const [code] = await once(child, 'exit').finally(() => clearTimeout(timer));
    if (code !== 0) throw new CommandError(1, `It failed with ${code}: ${command}`);
  };
}
