import { expect, test } from 'vitest';
import { judge } from './seeds.ts';

/** Registers the test of a file: as many histories against the model, one after the other. */
export function testSeeds({ from, count }: { readonly from: number; readonly count: number }): void {
  const only = process.env['SIMULATION_SEED'];
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => from + index) : [Number(only)];

  test(`what must always hold does, whatever happens: ${count} histories from seed ${from}`, async () => {
    for (const seed of seeds) expect(await judge(seed)).toEqual([]);
  }, 240_000);
}
