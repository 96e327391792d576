import type { TenantChange } from '../../db/tenants/tenants.ts';
import { limits } from '../../domain/limits/limits.ts';
import { isScope, isTenantId, scopes, type Scope } from '../../domain/tenant.ts';
import { CommandError } from '../command-line/command-error.ts';

export const adminOptions = {
  help: { type: 'boolean', short: 'h', default: false },
  name: { type: 'string' },
  'requests-per-minute': { type: 'string' },
  'queued-max': { type: 'string' },
  'queued-per-user-max': { type: 'string' },
  'outstanding-max': { type: 'string' },
  'day-budget-usd': { type: 'string' },
  'month-budget-usd': { type: 'string' },
  weight: { type: 'string' },
  scopes: { type: 'string' },
  'expires-in': { type: 'string' },
  // Of what changes something: who, and why.
  by: { type: 'string' },
  reason: { type: 'string' },
} as const;

export type AdminFlags = { readonly help: boolean } & {
  readonly [Name in Exclude<keyof typeof adminOptions, 'help'>]?: string | undefined;
};

/** What the options say of a tenant. */
export function tenantChangeOf(flags: AdminFlags): TenantChange {
  refuseOptions(flags, ['scopes', 'expires-in']);
  const { name, weight } = flags;
  return {
    ...(name !== undefined && { name: nameOf(name) }),
    ...(weight !== undefined && { weight: numberOf('weight', weight, [0.001, 1_000]) }),
    ...limitsOf(flags),
  };
}

const counts = {
  requests_per_minute: 'requests-per-minute',
  queued_max: 'queued-max',
  queued_per_user_max: 'queued-per-user-max',
  outstanding_max: 'outstanding-max',
} as const;

const budgets = {
  day_budget_usd_micros: 'day-budget-usd',
  month_budget_usd_micros: 'month-budget-usd',
} as const;

const countMax = 1_000_000_000;

function limitsOf(flags: AdminFlags): Record<string, number | null> {
  const change: Record<string, number | null> = {};
  for (const [column, option] of Object.entries(counts)) {
    const text = flags[option];
    if (text !== undefined) change[column] = text === 'none' ? null : countOf(option, text);
  }
  for (const [column, option] of Object.entries(budgets)) {
    const text = flags[option];
    if (text !== undefined) change[column] = text === 'none' ? null : usdMicrosOf(option, text);
  }
  return change;
}

function countOf(option: string, text: string): number {
  const count = numberOf(option, text, [1, countMax]);
  if (Number.isInteger(count)) return count;
  throw new CommandError(2, `--${option} has to be a whole number, not ${text}.`);
}

function usdMicrosOf(option: string, text: string): number {
  return Math.round(numberOf(option, text, [0, countMax]) * 1e6);
}

function numberOf(option: string, text: string, [least, most]: readonly [number, number]): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new CommandError(2, `--${option} has to be a number from ${least} to ${most}, not "${text.slice(0, 40)}".`);
}

/** What the options say of a key. */
export interface KeyWish {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null: it does not expire. */
  readonly secondsValid: number | null;
}

const scopesByDefault: readonly Scope[] = ['read', 'write', 'webhooks'];

export function keyWishOf(flags: AdminFlags): KeyWish {
  refuseOptions(flags, ['weight', ...Object.values(counts), ...Object.values(budgets)]);
  const expiresIn = flags['expires-in'];
  return {
    name: nameOf(flags.name ?? ''),
    scopes: flags.scopes === undefined ? scopesByDefault : scopesOf(flags.scopes),
    secondsValid: expiresIn === undefined ? null : secondsOf(expiresIn),
  };
}

function scopesOf(text: string): readonly Scope[] {
  const names = text.split(',').map((name) => name.trim());
  const known = names.filter(isScope);
  if (known.length === names.length) return [...new Set(known)];
  throw new CommandError(
    2,
    `--scopes takes ${scopes.join(', ')}, with commas between them, not "${text.slice(0, 80)}".`,
  );
}

const secondsOfUnit: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 24 * 3_600 };

function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,9})([mhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (secondsOfUnit[unit] ?? Number.NaN);
  if (seconds >= limits.keySecondsValidMin && seconds <= limits.keySecondsValidMax) return seconds;
  throw new CommandError(
    2,
    `--expires-in takes minutes, hours or days, as 30m, 12h or 90d, not "${text.slice(0, 40)}".`,
  );
}

const nameCharsMax = 100;

function nameOf(text: string): string {
  if (text.length <= nameCharsMax && !/\p{C}/u.test(text)) return text;
  throw new CommandError(2, `--name takes up to ${nameCharsMax} characters on one line.`);
}

/** The id of a tenant that a command names. */
export function tenantIdOf(subject: string | undefined): string {
  if (subject !== undefined && isTenantId(subject)) return subject;
  throw new CommandError(
    2,
    subject === undefined
      ? 'Name the tenant. See npm run admin -- --help.'
      : 'The id of a tenant is up to 63 small letters, digits, - and _, and begins with a letter or a digit.',
  );
}

/** An option that changes nothing here was meant for something else. */
function refuseOptions(flags: AdminFlags, options: readonly (keyof AdminFlags)[]): void {
  for (const option of options)
    if (flags[option] !== undefined) throw new CommandError(2, `--${option} is not for this command.`);
}
