import type { HealthWord } from './target-health.ts';
import type { StuckCause } from './stuck.ts';

/** How everything stands, for operators: names and figures of ours alone. Moments in milliseconds since the epoch. */
export interface Overview {
  readonly readAt: number;
  /** Those with the longest lines first. */
  readonly pools: readonly PoolOverview[];
  /** How many more there are. */
  readonly poolsLeftOut: number;
  readonly pausedTenants: readonly string[];
  readonly stuck: readonly StuckTotal[];
}

export interface PoolOverview {
  readonly pool: string;
  readonly waiting: number;
  /** Since when the oldest of them waits. Null: nobody does. */
  readonly oldestSince: number | null;
  /** Permits of jobs under way, and of such as are final while their provider works on. */
  readonly live: number;
  readonly zombies: number;
  /** Jobs that may be outstanding now, and as configured. */
  readonly limit: number;
  readonly configured: number;
  /** Targets whose breakers keep jobs away, or let few in. */
  readonly breakers: readonly { readonly target: string; readonly health: HealthWord }[];
  /** What operators hold back: the pool itself, or targets of it. */
  readonly pauses: readonly PauseOverview[];
  /** An operator's limits are in force. */
  readonly isOverridden: boolean;
}

export interface PauseOverview {
  /** `pool`, or the target's name. */
  readonly subject: string;
  readonly drains: boolean;
  readonly reason: string;
}

export interface StuckTotal {
  readonly cause: StuckCause;
  readonly jobs: number;
  readonly oldestSince: number;
  /** There may be more. */
  readonly isCapped: boolean;
}
