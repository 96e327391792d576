/** What an account may have under way, and start, at the same time. `Infinity` where the vendor sets no limit. */
export interface TierLimits {
  readonly outstanding: number;
  readonly perMinute: number;
}

/** Our names for an account's level; each vendor says what they stand for. */
export type TierName = 'bronze' | 'silver' | 'gold' | 'ultra';

export type Tier = TierName | TierLimits;
