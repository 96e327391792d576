/** Timers that can all be dropped at once, so that closing or resetting leaves nothing behind. */
export interface Timers {
  after(delayMs: number, action: () => void): void;
  /** Never settles once the timers are cleared: whoever waits has nothing left to do then. */
  sleep(delayMs: number): Promise<void>;
  clear(): void;
}

export function createTimers(): Timers {
  const pending = new Set<NodeJS.Timeout>();
  let cleared = false;
  const after: Timers['after'] = (delayMs, action) => {
    if (cleared) return;
    const timer = setTimeout(() => {
      pending.delete(timer);
      action();
    }, delayMs);
    pending.add(timer);
  };
  return {
    after,
    sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)),
    clear: () => {
      cleared = true;
      for (const timer of pending) clearTimeout(timer);
      pending.clear();
    },
  };
}
