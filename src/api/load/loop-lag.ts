/** How late this process comes to its work: the time that something which is ready waits for its turn. */
export interface LoopLag {
  stop(): void;
}

export interface LagSample {
  /** The least of a fifth of a second: what is late once is no load, what is late all the time is. */
  readonly lagMs: number;
  /** Since the sample before. */
  readonly elapsedMs: number;
}

const everyMs = 20;
const windowMs = 200;
/** However late: one long turn is not to fill a window by itself. */
const looksMin = 3;

/** Tells of the lag a few times a second. Does not keep the process alive. */
export function watchLoopLag(onSample: (sample: LagSample) => void): LoopLag {
  let before = performance.now();
  let since = before;
  let looks = 0;
  let lagMs = Number.POSITIVE_INFINITY;
  const timer = setInterval(() => {
    const now = performance.now();
    lagMs = Math.min(lagMs, Math.max(0, now - before - everyMs));
    before = now;
    looks += 1;
    if (looks < looksMin || now - since < windowMs) return;
    onSample({ lagMs, elapsedMs: now - since });
    [since, looks, lagMs] = [now, 0, Number.POSITIVE_INFINITY];
  }, everyMs).unref();
  return { stop: () => clearInterval(timer) };
}
