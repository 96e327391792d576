import type { Overview } from '../domain/overview.ts';

/** Shows in Temporal UI how everything stands: pools, lines, breakers, pauses and stuck jobs. It stands for good. */
export const overviewType = 'overview';

/** One in a namespace. */
export const overviewId = 'spillway-overview';

/** Answers with the last overview that was read. Undefined: none yet. */
export const overviewQueryName = 'overview';

export interface OverviewActivities {
  /** Reads it from Postgres. Changes nothing. Null: it could not be read. */
  readOverview(): Promise<Overview | null>;
}
