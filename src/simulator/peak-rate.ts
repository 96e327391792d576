/** The most events seen in any one window of the clock. */
export interface PeakRate {
  add(nowMs: number): void;
  readonly max: number;
}

export function createPeakRate(windowMs: number): PeakRate {
  let current = -1;
  let inCurrent = 0;
  let max = 0;
  return {
    add(nowMs) {
      const window = Math.floor(nowMs / windowMs);
      inCurrent = window === current ? inCurrent + 1 : 1;
      current = window;
      max = Math.max(max, inCurrent);
    },
    get max() {
      return max;
    },
  };
}
