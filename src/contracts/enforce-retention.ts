import { limits } from '../domain/limits/limits.ts';

/** Removes what has been kept long enough: videos, input pictures, uploads that nobody used, and the log of webhooks. */
export const enforceRetentionType = 'enforceRetention';

/** The schedule that starts it, one in a namespace, and the id that its runs begin with. */
export const retentionScheduleId = 'spillway-retention';

export const retentionEveryMs = limits.retentionEveryMs;

/** What one run removed, and whether it has left something to the next one. */
export interface RetentionReport extends Removed {
  readonly isMore: boolean;
}

/** Objects, of each kind. */
export interface Removed {
  readonly assets: number;
  readonly inputs: number;
  readonly uploads: number;
}

export interface RetentionActivities {
  /**
   * Removes one batch: the bytes first, then the note of it, so that a crash between the two is repeated and harms
   * nobody, and neither does a second worker at the same time. `isMore`: there may be another batch.
   */
  removeExpired(): Promise<RetentionReport>;
}
