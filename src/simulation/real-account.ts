/** What a vendor's account really bears, whatever is configured. */
export interface RealAccount {
  /** A POST arrives: taken, or refused for which of its limits. */
  submit(now: number): 'taken' | 'outstanding' | 'rate';
  ended(): void;
}

export interface RealLimits {
  readonly outstandingMax: number;
  /** In any sixty seconds. */
  readonly perMinuteMax: number;
}

/**
 * Counts what is under way, and what was started lately. Starts leave here evenly, and arrive with a little jitter; that a
 * vendor counts so sharply as to refuse for it is not assumed, so its minute is a second short.
 */
export function createRealAccount({ outstandingMax, perMinuteMax }: RealLimits): RealAccount {
  const started: number[] = [];
  let begin = 0;
  let outstanding = 0;
  return {
    submit(now) {
      while ((started[begin] ?? Number.POSITIVE_INFINITY) <= now - windowMs) begin += 1;
      if (outstanding >= outstandingMax) return 'outstanding';
      if (started.length - begin >= perMinuteMax) return 'rate';
      started.push(now);
      outstanding += 1;
      return 'taken';
    },
    ended() {
      outstanding -= 1;
    },
  };
}

const windowMs = 59_000;
