import type { FaultPlan } from './fault.ts';

/** What the account may have outstanding, and start, at the same time. */
export interface TierLimits {
  readonly outstanding: number;
  readonly perMinute: number;
}

export type Tier = keyof typeof tierLimits | TierLimits;

export interface SimulatorOptions {
  readonly seed: number | string;
  /** Without one any key, or none, is accepted. */
  readonly apiKey?: string;
  readonly webhookSecret: string;
  readonly tier: Tier;
  /** Multiplies generation times and callback back-off. Fault values and rate limits stay in real time. */
  readonly timeScale: number;
  readonly faults?: FaultPlan;
  /**
   * Goes into prediction ids only. Give a fresh one per process when the ids are stored in a database that outlives
   * the simulator: the same seed would otherwise mint the same ids again.
   */
  readonly idSalt?: string;
  readonly balanceUsd?: number;
  /** Whether list items carry `input`; the vendor's documents leave it open. */
  readonly listsInput?: boolean;
  readonly log?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

const tierLimits = {
  bronze: { outstanding: 3, perMinute: 5 },
  silver: { outstanding: 100, perMinute: 60 },
  gold: { outstanding: 2_000, perMinute: 600 },
  ultra: { outstanding: 5_000, perMinute: 5_000 },
} as const;

export function limitsOf(tier: Tier): TierLimits {
  return typeof tier === 'string' ? tierLimits[tier] : tier;
}
