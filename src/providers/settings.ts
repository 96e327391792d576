/** What every adapter is made from. URLs and keys come from the configuration, never from a vendor's answer. */
export interface ProviderSettings {
  /** Where the vendor's API begins: an origin, with the path of a proxy where there is one. */
  readonly baseUrl: string;
  /** Further places of the vendor's own that its adapter needs, by the catalogue's names, such as fal's `rest`. */
  readonly otherUrls?: Readonly<Record<string, string>> | undefined;
  readonly apiKey: string;
  /** For the simulator: URLs that it gives out may be of its own host, over plain http. */
  readonly plainHttpAllowed?: boolean | undefined;
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
  /** The search of a list, but for its last page: a poll has to be done with it. */
  readonly listMs: number;
  readonly uploadMs: number;
}

export const defaultTimeouts: ProviderTimeouts = {
  connectMs: 10_000,
  startMs: 30_000,
  askMs: 15_000,
  listMs: 25_000,
  uploadMs: 60_000,
};
