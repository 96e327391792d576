import type { FaultPlan } from './fault.ts';
import type { Tier } from './tier.ts';
import type { VendorName } from './vendor-name.ts';

/** What can differ from one vendor's account to the next. */
export interface AccountOptions {
  /** Without one any key, or none, is accepted. */
  readonly apiKey?: string;
  /** For every vendor that signs with a secret. */
  readonly webhookSecret: string;
  readonly tier: Tier;
  /** Multiplies generation times, callback back-off and retention. Fault values and rate limits stay in real time. */
  readonly timeScale: number;
  readonly balanceUsd?: number;
  /** Whether list items carry `input`; WaveSpeed's documents leave it open. */
  readonly listsInput?: boolean;
}

export interface SimulatorOptions extends AccountOptions {
  readonly seed: number | string;
  readonly faults?: FaultPlan;
  /**
   * Goes into prediction ids only. Give a fresh one per process when the ids are stored in a database that outlives
   * the simulator: the same seed would otherwise mint the same ids again.
   */
  readonly idSalt?: string;
  /** Where an account is to differ from the options above. */
  readonly vendors?: Readonly<Partial<Record<VendorName, Partial<AccountOptions>>>>;
  readonly log?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}
