/** Allows something once in a while for each key. */
export type Limiter = (key: string) => boolean;

const keysMax = 10_000;

/** Remembers the newest keys only: in a flood of others a key is forgotten, and allowed once too often. */
export function createLimiter(everyMs: number, clock: () => number): Limiter {
  const lastAt = new Map<string, number>();
  return (key) => {
    const now = clock();
    if (now - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
    lastAt.delete(key);
    lastAt.set(key, now);
    for (const oldest of lastAt.keys()) {
      if (lastAt.size <= keysMax) break;
      lastAt.delete(oldest);
    }
    return true;
  };
}
