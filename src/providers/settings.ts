/** What every adapter is made from. Origins and keys come from the configuration, never from a vendor's answer. */
export interface ProviderSettings {
  /** Scheme, host and port of the vendor's API. */
  readonly origin: string;
  readonly apiKey: string;
  /** Absent: callbacks can't be proven, so each one only causes a check. */
  readonly webhookSecret?: string | undefined;
  readonly timeouts?: Partial<ProviderTimeouts> | undefined;
  /** Milliseconds since the epoch; tests pass their own. */
  readonly now?: (() => number) | undefined;
}

export interface ProviderTimeouts {
  readonly connectMs: number;
  /** The paid order. Longer than the others: to give up is to not know. */
  readonly startMs: number;
  /** A question that costs nothing. */
  readonly askMs: number;
  readonly uploadMs: number;
}

export const defaultTimeouts: ProviderTimeouts = {
  connectMs: 10_000,
  startMs: 30_000,
  askMs: 15_000,
  uploadMs: 60_000,
};
