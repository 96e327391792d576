import type { Logger } from 'pino';
import type { OverviewActivities } from '../contracts/overview.ts';
import { readOverview } from '../db/control/overview.ts';
import type { Database } from '../db/pool.ts';

export interface OverviewDeps {
  readonly db: Database;
  readonly stuckAfterMs: number;
  readonly log: Logger;
}

/** What the standing workflow shows. Why it can't be read names hosts, and so belongs in the log alone. */
export function createOverviewActivities({ db, stuckAfterMs, log }: OverviewDeps): OverviewActivities {
  return {
    async readOverview() {
      try {
        return await readOverview(db, { stuckAfterMs });
      } catch (error) {
        log.warn({ err: error }, 'the overview could not be read');
        return null;
      }
    },
  };
}
