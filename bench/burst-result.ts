import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import type { Progress } from './burst-progress.ts';
import type { Offered } from './load.ts';
import type { Told } from './look-up.ts';
import type { Tier } from './tiers.ts';

export interface BurstOptions {
  readonly temporal: TemporalServerKind;
  readonly ratePerSecond: number;
  readonly count: number;
  readonly users: number;
  /** WaveSpeed's account; the others are as shipped. It decides how much is dispatched meanwhile. */
  readonly tier: Tier;
  readonly videoSeconds: number;
  /** How long the backlog is drained afterwards. */
  readonly drainSeconds: number;
  readonly plot: boolean;
}

export interface Burst {
  readonly options: BurstOptions;
  readonly offered: Offered;
  readonly lost: number;
  /** A sample that was looked up while the backlog stood. */
  readonly told: readonly Told[];
  /** Of that sample: answered with anything but a 200. */
  readonly notFound: number;
  readonly progress: Progress;
}
