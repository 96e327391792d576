import { expect, test } from 'vitest';
import { judge } from './seeds.ts';

/** In all files together. CI plays 10,000 (.ci/run); a change is tested with fewer. */
const seedsInAll = Number(process.env['SIMULATION_SEEDS'] ?? 3_000);
const files = 2;

/** Registers the test of a file: its part of the histories against the model, one after the other. */
export function testSeeds(file: number): void {
  const only = process.env['SIMULATION_SEED'];
  const count = Math.ceil(seedsInAll / files);
  const from = 1 + file * count;
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => from + index) : [Number(only)];

  test(`what must always hold does, whatever happens: ${count} histories from seed ${from}`, async () => {
    for (const seed of seeds) expect(await judge(seed)).toEqual([]);
  }, 240_000);
}
