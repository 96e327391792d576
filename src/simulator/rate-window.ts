/** The vendor's per-minute limit: "limits reset each minute", so a fixed window by the clock. */
export interface RateWindow {
  /** Takes a place in this minute, or says that there is none. */
  take(nowMs: number): boolean;
}

const windowMs = 60_000;

export function createRateWindow(perMinute: number): RateWindow {
  let current = -1;
  let taken = 0;
  return {
    take(nowMs) {
      const window = Math.floor(nowMs / windowMs);
      if (window !== current) {
        current = window;
        taken = 0;
      }
      if (taken >= perMinute) return false;
      taken += 1;
      return true;
    },
  };
}
