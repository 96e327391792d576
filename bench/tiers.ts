import type { TierLimits } from '../src/simulator/tier.ts';

export interface Tier extends TierLimits {
  readonly name: string;
}

/** WaveSpeed's account levels. */
const tiers: readonly Tier[] = [
  { name: 'bronze', outstanding: 3, perMinute: 5 },
  { name: 'silver', outstanding: 100, perMinute: 60 },
  { name: 'gold', outstanding: 2_000, perMinute: 600 },
  { name: 'ultra', outstanding: 5_000, perMinute: 5_000 },
];

export function readTier(name: string): Tier {
  const tier = tiers.find((one) => one.name === name);
  if (tier === undefined) throw new Error(`--tier is ${name}. It has to be bronze, silver, gold or ultra.`);
  return tier;
}
