import type { Point } from './plot.ts';
import { withClient } from './transactions.ts';

/** How many jobs had come so far by each second since the first. */
export interface Progress {
  readonly accepted: readonly Point[];
  readonly submitted: readonly Point[];
  readonly completed: readonly Point[];
  /** While the burst lasted. */
  readonly submittedMeanwhile: number;
  readonly completedMeanwhile: number;
}

/** From the moments in the database, so nothing is asked of it while it is measured. */
export async function readProgress(url: string, endedAt: number): Promise<Progress> {
  return await withClient(url, async (client) => {
    const read = async (moments: string): Promise<readonly Point[]> => {
      const { rows } = await client.query<{ second: number; count: number }>(
        `SELECT floor(extract(epoch FROM moment - (SELECT min(accepted_at) FROM jobs)))::int AS second, count(*)::int AS count
         FROM (${moments}) AS moments(moment) WHERE moment IS NOT NULL GROUP BY second ORDER BY second`,
      );
      let total = 0;
      return [[0, 0] as const, ...rows.map(({ second, count }) => [second + 1, (total += count)] as const)];
    };
    const meanwhile = await client.query<{ submitted: number; completed: number }>(
      `SELECT (SELECT count(*)::int FROM attempts WHERE submitted_at < to_timestamp($1)) AS submitted,
              (SELECT count(*)::int FROM jobs WHERE phase = 'completed' AND finished_at < to_timestamp($1)) AS completed`,
      [endedAt / 1_000],
    );
    return {
      accepted: await read('SELECT accepted_at FROM jobs'),
      submitted: await read('SELECT submitted_at FROM attempts WHERE attempt = 1'),
      completed: await read(`SELECT finished_at FROM jobs WHERE phase = 'completed'`),
      submittedMeanwhile: meanwhile.rows[0]?.submitted ?? 0,
      completedMeanwhile: meanwhile.rows[0]?.completed ?? 0,
    };
  });
}
