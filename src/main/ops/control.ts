import { clearLimits, overrideLimits } from '../../db/control/limit-overrides.ts';
import { pauseSubject, resumeSubject } from '../../db/control/pauses.ts';
import { sendWakeUp } from '../../db/wake-ups.ts';
import { type ControlOutcome, isPauseKind, type PauseKind } from '../../domain/control.ts';
import { limits } from '../../domain/limits/limits.ts';
import { CommandError } from '../command-line/command-error.ts';
import type { OpsFlags } from './options.ts';
import { countOf, refuseOthers, secondsFor, signedOf } from './signed.ts';
import type { OpsTask } from './task.ts';

export const controlUsage = `
  pools [--json]                               limits, pauses, permits and who waits, of every pool and each of its targets
  pause target|pool|tenant NAME [--for 2h] --reason TEXT
                                               grants nothing there, for so long or until it is resumed; what runs goes on
  resume target|pool|tenant NAME --reason TEXT
  drain TARGET [--for 2h] --reason TEXT        pauses a target, and who waits for it goes to another of its route at once
  limits POOL [--outstanding N] [--per-minute N] --for 2h --reason TEXT
  limits POOL --clear --reason TEXT            limits in place of the catalogue’s, for a while; and back`;

/** `pause`, and `drain`, which is a pause of a target. */
export async function pauseCommand(task: OpsTask): Promise<number> {
  const { kind, subject } = subjectOf(task.operands);
  return await pause(task, { kind, subject, drains: false });
}

export async function drainCommand(task: OpsTask): Promise<number> {
  const [subject, ...others] = task.operands;
  if (subject === undefined || others.length > 0) throw new CommandError(2, 'Name the target: drain TARGET.');
  return await pause(task, { kind: 'target', subject, drains: true });
}

export async function resumeCommand({ pool, operands, flags, note }: OpsTask): Promise<number> {
  refuseOthers(flags, ['by', 'reason']);
  const { kind, subject } = subjectOf(operands);
  const outcome = await resumeSubject(pool, { kind, subject, ...signedOf(flags) });
  await sendWakeUp(pool, 'grant');
  if (outcome === 'absent') note(`The ${kind} ${subject} was not paused.`);
  else note(known(outcome, `The ${kind} ${subject} is served again.`));
  return 0;
}

export async function limitsCommand({ pool, operands, flags, note }: OpsTask): Promise<number> {
  const [subject, ...others] = operands;
  if (subject === undefined || others.length > 0) throw new CommandError(2, 'Name the pool: limits POOL.');
  const signed = signedOf(flags);
  if (flags.clear === true) {
    refuseOthers(flags, ['clear', 'by', 'reason']);
    const outcome = await clearLimits(pool, { pool: subject, ...signed });
    await sendWakeUp(pool, 'grant');
    note(
      outcome === 'absent'
        ? `${subject} has no limits but the catalogue’s.`
        : known(outcome, `${subject} has the limits of the catalogue again.`),
    );
    return 0;
  }
  refuseOthers(flags, ['outstanding', 'per-minute', 'for', 'by', 'reason']);
  const wish = limitsOf(flags);
  const outcome = await overrideLimits(pool, { pool: subject, ...wish, ...signed });
  await sendWakeUp(pool, 'grant');
  note(known(outcome, `${subject} has other limits until ${untilOf(wish.seconds)}, within what the account bears.`));
  return 0;
}

interface Paused {
  readonly kind: PauseKind;
  readonly subject: string;
  readonly drains: boolean;
}

async function pause({ pool, flags, note }: OpsTask, { kind, subject, drains }: Paused): Promise<number> {
  refuseOthers(flags, ['for', 'by', 'reason']);
  const seconds = flags.for === undefined ? null : secondsFor(flags.for, limits.pauseSecondsMax);
  const outcome = await pauseSubject(pool, { kind, subject, drains, seconds, ...signedOf(flags) });
  // Who waits for what is drained leaves at once.
  await sendWakeUp(pool, 'grant');
  const until =
    seconds === null ? `until it is resumed: npm run ops -- resume ${kind} ${subject}` : `until ${untilOf(seconds)}`;
  note(known(outcome, `The ${kind} ${subject} is ${drains ? 'drained' : 'paused'} ${until}.`));
  return 0;
}

function subjectOf([kind = '', subject, ...others]: readonly string[]): Omit<Paused, 'drains'> {
  if (isPauseKind(kind) && subject !== undefined && others.length === 0) return { kind, subject };
  throw new CommandError(2, 'Say what it is and its name: target NAME, pool NAME or tenant NAME.');
}

function known(outcome: ControlOutcome, sentence: string): string {
  if (outcome !== 'unknown') return sentence;
  throw new CommandError(1, 'There is nothing of that name. `npm run ops -- pools` has the pools and their targets.');
}

function limitsOf(flags: OpsFlags) {
  const { outstanding, 'per-minute': perMinute } = flags;
  if (outstanding === undefined && perMinute === undefined)
    throw new CommandError(2, 'Say what is to change: --outstanding N, --per-minute N, or --clear.');
  if (flags.for === undefined)
    throw new CommandError(2, 'Say for how long: --for 2h. The catalogue holds again after that.');
  return {
    outstandingMax: outstanding === undefined ? null : countOf('outstanding', outstanding, limits.overrideJobsMax),
    perMinuteMax: perMinute === undefined ? null : countOf('per-minute', perMinute, limits.overridePerMinuteMax),
    seconds: secondsFor(flags.for, limits.overrideSecondsMax),
  };
}

function untilOf(seconds: number): string {
  return `${new Date(Date.now() + seconds * 1_000).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
