import { limits } from '../../domain/limits/limits.ts';
import { within } from '../database-wait.ts';

/** How many jobs there are of a kind, as of a moment ago, and what this process has let in since. */
export interface JobCount {
  value: number;
}

export interface JobCounts {
  /** Undefined: the database did not say, and never has. Never rejects. */
  read(key: string, count: () => Promise<number>): Promise<JobCount | undefined>;
  /** What is known already; reads it for the next one who asks where it is old. */
  peek(key: string, count: () => Promise<number>): JobCount | undefined;
}

interface Known extends JobCount {
  readonly key: string;
  isKnown: boolean;
  /** From then on it is read anew. */
  freshUntil: number;
  reading: Promise<void> | undefined;
}

const never = Number.NEGATIVE_INFINITY;

/**
 * Counts that everybody who comes within half a second shares: one statement, however many ask. Several processes may
 * together let in a few more than they would one by one.
 */
export function createJobCounts(clock: () => number): JobCounts {
  const counts = new Map<string, Known>();

  return {
    async read(key, count) {
      const known = knownOf(key);
      if (clock() >= known.freshUntil) await (known.reading ??= refresh(known, count));
      return known.isKnown ? known : undefined;
    },
    peek(key, count) {
      const known = knownOf(key);
      if (clock() >= known.freshUntil) known.reading ??= refresh(known, count);
      return known.isKnown ? known : undefined;
    },
  };

  function knownOf(key: string): Known {
    const known = counts.get(key);
    if (known !== undefined) return known;
    if (counts.size >= limits.queueCountsMax) counts.clear();
    const fresh: Known = { key, value: 0, isKnown: false, freshUntil: never, reading: undefined };
    counts.set(key, fresh);
    return fresh;
  }

  /** What was let in while the database counted is added: it may not have been there to be counted yet. */
  async function refresh(known: Known, count: () => Promise<number>): Promise<void> {
    const [startedAt, startedAtMs] = [clock(), performance.now()];
    const before = known.value;
    try {
      const counted = await within(count(), limits.jobCountMsMax);
      known.value = counted + Math.max(known.value - before, 0);
      known.isKnown = true;
      // A long line is not counted all the time: what this process lets in meanwhile is known.
      const freshMs = (performance.now() - startedAtMs) / limits.lineViewTimeShare;
      known.freshUntil = startedAt + Math.min(Math.max(freshMs, limits.jobCountMsFresh), limits.jobCountMsFreshMax);
    } catch {
      // Kept as it was, and read again by the next request.
    } finally {
      known.reading = undefined;
    }
  }
}
