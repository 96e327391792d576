import type { Database } from '../pool.ts';

/** So many attempts, or jobs, that ended alike. */
export interface EndCount {
  /** Null: these are jobs. */
  readonly target: string | null;
  /** The outcome of attempts, the phase of jobs. */
  readonly outcome: string;
  /** Who told. Null: these are jobs. */
  readonly evidence: string | null;
  readonly count: number;
}

/** What has ended since somebody took these counts last, in whichever process. Each is taken once. */
export async function takeEndCounts(db: Database): Promise<readonly EndCount[]> {
  const { rows } = await db.query<EndCount>({
    name: 'take_end_counts',
    text: `WITH taken AS (
             DELETE FROM end_tally WHERE id IN (SELECT id FROM end_tally ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)
             RETURNING target_name, outcome, evidence
           )
           SELECT target_name AS target, outcome, evidence, count(*)::int AS count FROM taken GROUP BY 1, 2, 3`,
  });
  return rows;
}
