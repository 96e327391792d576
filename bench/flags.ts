import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findTemporalServer } from '../src/embedded/temporal-server-programs.ts';
import { readTemporalServerKind, type TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { root } from './root.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: 'string' },
    count: { type: 'string' },
    seconds: { type: 'string' },
    jobs: { type: 'string' },
    rounds: { type: 'string' },
    submitting: { type: 'string' },
    users: { type: 'string' },
    slots: { type: 'string' },
    posts: { type: 'string' },
    streams: { type: 'string' },
    deep: { type: 'string' },
    grants: { type: 'string' },
    held: { type: 'string' },
    singles: { type: 'string' },
    tier: { type: 'string' },
    'per-minute': { type: 'string' },
    'video-seconds': { type: 'string' },
    'warm-up-seconds': { type: 'string' },
    'drain-seconds': { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    selfie: { type: 'boolean', default: false },
    bare: { type: 'boolean', default: false },
    learned: { type: 'boolean', default: false },
    'learned-rate': { type: 'boolean', default: false },
    pinned: { type: 'boolean', default: false },
    plot: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    temporal: { type: 'string' },
  },
});

/** The words and switches of the command line. */
export const [bench = ''] = positionals;
export const { bare, only, pinned, plot, selfie, tier } = values;
export const isBuilt = values['no-build'];
/** The dimension in which the catalogue is to be wrong. */
export const learned: 'outstanding' | 'rate' | undefined = values['learned-rate']
  ? 'rate'
  : values.learned
    ? 'outstanding'
    : undefined;

type NumberFlag = Exclude<
  keyof typeof values,
  'only' | 'bare' | 'selfie' | 'learned' | 'learned-rate' | 'pinned' | 'plot' | 'no-build' | 'temporal' | 'tier'
>;

/** A whole number above zero, or what it is without the flag. */
export function count(name: NumberFlag, otherwise: number): number {
  const value = Number(values[name] ?? otherwise);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${name} has to be a whole number above zero.`);
  return value;
}

/** A length of time, which may be a fraction, or zero. */
export function duration(name: NumberFlag, otherwise: number): number {
  const value = Number(values[name] ?? otherwise);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} has to be a number of seconds, zero or above.`);
  return value;
}

/** Temporal's own server where Go has built it, for that is what a deployment runs; otherwise the dev server. */
export async function temporalServer(): Promise<TemporalServerKind> {
  if (values.temporal !== undefined) return readTemporalServerKind(values.temporal);
  const built = await findTemporalServer(join(root, '.spillway/cache'));
  return built === undefined ? 'dev' : 'postgres';
}
