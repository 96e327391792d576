import { ApplicationFailure } from '@temporalio/workflow';
import { type RepairName, repairRefusedType } from '../contracts/repairs.ts';
import { limits } from '../domain/limits/limits.ts';
import { isOneLine } from '../domain/one-line.ts';

/** What an operator has asked for, in shape. */
export interface RepairOrder {
  readonly by: string;
  readonly reason: string;
  /** The name of a target. Of switchTarget alone. */
  readonly target: string;
  /** Of extendDeadline alone. */
  readonly seconds: number;
  readonly force: boolean;
}

/** Reads what came with an update, by hand: a library for it would be evaluated anew by every workflow. */
export function readRepair(repair: RepairName, value: unknown): RepairOrder {
  const example = `Give one JSON object such as ${JSON.stringify(examples[repair])}.`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`There is none. ${example}`);
  const given = new Map<string, unknown>(Object.entries(value));
  const known = [...Object.keys(examples[repair]), ...(mayForce(repair) ? ['force'] : [])];
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw refused(`There is no member ${JSON.stringify(unknown.slice(0, 40))}. Known are ${known.join(', ')}.`);

  const line = (name: 'by' | 'reason' | 'target', charsMax: number): string => {
    const text = given.get(name);
    if (typeof text === 'string' && isOneLine(text, charsMax)) return text;
    throw refused(`\`${name}\` has to be one line of 1 to ${charsMax} characters. ${example}`);
  };
  return {
    by: line('by', limits.actorCharsMax),
    reason: line('reason', limits.reasonCharsMax),
    target: repair === 'switchTarget' ? line('target', limits.subjectCharsMax) : '',
    seconds: repair === 'extendDeadline' ? secondsOf(given.get('seconds'), example) : 0,
    force: forceOf(given.get('force')),
  };
}

/** What refuses an update: it leaves no trace in the history. */
export function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, repairRefusedType);
}

const signed = { by: 'your name', reason: 'why' };
const examples: Readonly<Record<RepairName, Readonly<Record<string, unknown>>>> = {
  pollNow: signed,
  switchTarget: { ...signed, target: 'vendor/model' },
  resubmit: signed,
  extendDeadline: { ...signed, seconds: 3_600 },
  giveUp: signed,
};

function mayForce(repair: RepairName): boolean {
  return repair === 'switchTarget' || repair === 'resubmit';
}

function secondsOf(value: unknown, example: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= limits.extendSecondsMax)
    return value;
  throw refused(`\`seconds\` has to be a whole number from 1 to ${limits.extendSecondsMax}. ${example}`);
}

function forceOf(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw refused('`force` has to be true or false. Leave it out unless two attempts may be paid for.');
}
