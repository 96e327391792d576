import { z } from 'zod';

/** Outstanding jobs and starts a minute of WaveSpeed's account levels (their documentation, 2026-11). */
const levels = {
  bronze: { outstanding: 3, per_minute: 5 },
  silver: { outstanding: 100, per_minute: 60 },
  gold: { outstanding: 2_000, per_minute: 600 },
  ultra: { outstanding: 5_000, per_minute: 5_000 },
} as const;

type Level = keyof typeof levels;

export const levelNames: readonly string[] = Object.keys(levels);

export const poolSchema = z.union(
  [
    z.strictObject({ preset: z.enum(['bronze', 'silver', 'gold', 'ultra']) }),
    z.strictObject({ outstanding: z.int().positive(), per_minute: z.int().positive() }),
  ],
  'needs preset: bronze, silver, gold or ultra; or outstanding and per_minute',
);

export const targetLimitsSchema = z
  .strictObject({ outstanding: z.int().positive().optional(), per_minute: z.int().positive().optional() })
  .refine(({ outstanding, per_minute }) => outstanding !== undefined || per_minute !== undefined, {
    error: 'needs outstanding, per_minute or both',
  });

export type CataloguePool = z.infer<typeof poolSchema>;

export interface LimitsOfPool {
  readonly outstanding: number;
  readonly per_minute: number;
}

/** What a pool allows. An account level that the deployment names takes the place of a preset, never of figures. */
export function limitsOfPool(pool: CataloguePool, level?: string): LimitsOfPool {
  if ('outstanding' in pool) return pool;
  return levels[level !== undefined && isLevel(level) ? level : pool.preset];
}

export function isLevel(name: string): name is Level {
  return Object.hasOwn(levels, name);
}
