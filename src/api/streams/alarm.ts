/** Rings once, at the earliest of the moments that it was set to. */
export interface Alarm {
  set(delayMs: number): void;
  stop(): void;
}

export function createAlarm(ring: () => void): Alarm {
  let timer: NodeJS.Timeout | undefined;
  let dueAt = 0;
  return {
    set(delayMs) {
      const at = performance.now() + delayMs;
      if (timer !== undefined && dueAt <= at) return;
      clearTimeout(timer);
      dueAt = at;
      timer = setTimeout(() => {
        timer = undefined;
        ring();
      }, delayMs);
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
