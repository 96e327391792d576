import { userInfo } from 'node:os';
import { limits } from '../../domain/limits/limits.ts';
import { isOneLine } from '../../domain/one-line.ts';
import { CommandError } from '../command-line/command-error.ts';
import type { OpsFlags } from './options.ts';

/** Who does something, and why: asked of every command that changes something, and written down with it. */
export function signedOf({ by, reason }: OpsFlags): { readonly actor: string; readonly reason: string } {
  if (reason === undefined)
    throw new CommandError(2, 'Say why: --reason "…". It is kept with the action, for the others.');
  return { actor: actorOf(by), reason: lineOf('reason', reason, limits.reasonCharsMax) };
}

/** The same of what needs no reason: an empty text where none is given. */
export function signatureOf({ by, reason }: Pick<OpsFlags, 'by' | 'reason'>): ReturnType<typeof signedOf> {
  return { actor: actorOf(by), reason: reason === undefined ? '' : lineOf('reason', reason, limits.reasonCharsMax) };
}

function actorOf(by: string | undefined): string {
  return lineOf('by', by ?? userName(), limits.actorCharsMax);
}

/** An option that changes nothing here was meant for something else. */
export function refuseOthers(flags: OpsFlags, known: readonly (keyof OpsFlags)[]): void {
  const names: readonly string[] = known;
  for (const [name, value] of Object.entries(flags))
    if (value !== undefined && value !== false && !names.includes(name))
      throw new CommandError(2, `--${name} is not for this command.`);
}

/** Seconds that `--for` says: as 90s, 30m, 2h or 7d. */
export function secondsFor(text: string, secondsMax: number): number {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (secondsOfUnit[unit] ?? Number.NaN);
  if (seconds >= 1 && seconds <= secondsMax) return seconds;
  throw new CommandError(
    2,
    `--for takes seconds, minutes, hours or days, as 90s, 30m, 2h or 7d, up to ${secondsMax / 86_400}d, not "${text.slice(0, 40)}".`,
  );
}

/** The whole number that an option says. */
export function countOf(option: string, text: string, countMax: number): number {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= countMax) return count;
  throw new CommandError(2, `--${option} takes a whole number from 1 to ${countMax}, not "${text.slice(0, 40)}".`);
}

const secondsOfUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

// oxlint-disable-next-line max-params -- the option, what it says and its bound are one thing.
function lineOf(option: string, text: string, charsMax: number): string {
  const line = text.trim();
  if (isOneLine(line, charsMax)) return line;
  throw new CommandError(2, `--${option} takes 1 to ${charsMax} characters on one line.`);
}

/** A container may run as a user that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}
