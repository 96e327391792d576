import { setTimeout as delay } from 'node:timers/promises';

/**
 * A loop that works when it is woken and looks by itself every so often: a lost wake-up costs one interval, never a
 * job. Wake-ups while it works are coalesced into one further round.
 */
export interface Loop {
  wake(): void;
  /** Ends after the round under way. */
  stop(): Promise<void>;
}

export interface LoopSettings {
  readonly everyMs: number;
  /** Pause after every round, in which wake-ups gather: one further round serves them all. */
  readonly gapMs?: number;
  /** One round. `again`: there is more to do, begin anew at once. */
  readonly round: () => Promise<'again' | 'idle'>;
  readonly onError: (error: unknown) => void;
}

/** Pause after a failed round, so that a dead database is not asked in a tight circle. */
const afterErrorMs = 1_000;

export function startLoop({ everyMs, gapMs = 0, round, onError }: LoopSettings): Loop {
  let stopped = false;
  let woken = false;
  let alarm = new AbortController();

  const sleep = async (ms: number): Promise<void> => {
    if (woken || stopped) return;
    await delay(ms, undefined, { signal: alarm.signal }).catch(() => undefined);
  };
  const ring = (): void => {
    alarm.abort();
    alarm = new AbortController();
  };
  const run = async (): Promise<void> => {
    while (!stopped) {
      woken = false;
      const next = await attempt();
      if (gapMs > 0 && !stopped) await delay(gapMs);
      if (next === 'failed') await delay(afterErrorMs);
      // ±20 %, so that processes do not look in step.
      else if (next === 'idle') await sleep(everyMs * (0.8 + 0.4 * Math.random()));
    }
  };
  const attempt = async (): Promise<'again' | 'idle' | 'failed'> => {
    try {
      return await round();
    } catch (error) {
      onError(error);
      return 'failed';
    }
  };
  const running = run();
  return {
    wake() {
      woken = true;
      ring();
    },
    async stop() {
      stopped = true;
      ring();
      await running;
    },
  };
}
