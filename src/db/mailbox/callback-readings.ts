import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** What the signature of a callback proved; `report` is the good one. */
export type ReadingKind = 'report' | 'unsigned' | 'forged' | 'unreadable';

export interface LastReading {
  readonly provider: string;
  readonly reading: ReadingKind;
  /** Milliseconds since the epoch, by the database's clock. */
  readonly at: number;
  /** The last one whose signature was right. */
  readonly verifiedAt: number | null;
}

/** Writes down what the last callback of a provider turned out to be. */
export async function noteReading(
  db: Database,
  { provider, reading }: { readonly provider: string; readonly reading: ReadingKind },
): Promise<void> {
  await db.query({
    name: 'note_reading',
    text: `INSERT INTO callback_readings AS noted (provider, reading, at, verified_at)
           VALUES ($1, $2, clock_timestamp(), CASE WHEN $2 = 'report' THEN clock_timestamp() END)
           ON CONFLICT (provider) DO UPDATE
           SET reading = excluded.reading, at = excluded.at,
               verified_at = coalesce(excluded.verified_at, noted.verified_at)`,
    values: [provider, reading],
  });
}

/** Of every provider that has called back. */
export async function readLastReadings(db: Database): Promise<readonly LastReading[]> {
  const { rows } = await db.query<LastReading>(
    `SELECT provider, reading, ${millis('at')} AS at, ${millis('verified_at')} AS "verifiedAt"
     FROM callback_readings ORDER BY provider`,
  );
  return rows;
}
