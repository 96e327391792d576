import { limits } from './limits/limits.ts';
import type { StuckCause } from './stuck.ts';

/** What a job's search attributes say by now. */
export interface Notice {
  readonly cause: StuckCause | null;
  readonly provider: string | null;
  /** How often they were changed. */
  readonly upserts: number;
}

/** What they should say. */
export interface Wanted {
  readonly cause: StuckCause | null;
  /** Of the attempt that is under way, or of the line that the job waits in. */
  readonly provider: string | null;
}

/**
 * What is to be changed, if anything. A cause is only shown once there is one, and only another one replaces it: whoever looks
 * for a cause must find the job, and changes are few. It is taken away while the first change is unspent, as of a job that was
 * shown because it waited and has got on, so that one is left for what may still befall it.
 */
export function noticeAfter(shown: Notice, { cause, provider }: Wanted): Notice | undefined {
  const isWorthIt = cause === null ? shown.upserts === 0 : shown.upserts < limits.upsertsOfJobMax;
  if (cause === shown.cause || !isWorthIt) return undefined;
  return { cause, provider: provider ?? shown.provider, upserts: shown.upserts + 1 };
}
