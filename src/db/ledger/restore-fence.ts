import type { Database } from '../pool.ts';

/**
 * That a restored database is being mended, as it says itself: who starts meanwhile reads it, however long the mend takes, and
 * also after one that was killed half-way. It is written before connections are counted, and a process connects before it reads
 * it, so one of the two sees the other.
 */
export async function raiseFence(db: Database): Promise<void> {
  await db.query(
    `INSERT INTO watermarks (id, at) VALUES ('${fence}', clock_timestamp()) ON CONFLICT (id) DO UPDATE SET at = excluded.at`,
  );
}

/** All that may have been sent is in the ledger again. */
export async function lowerFence(db: Database): Promise<void> {
  await db.query(`DELETE FROM watermarks WHERE id = '${fence}'`);
}

export async function isFenced(db: Database): Promise<boolean> {
  const { rows } = await db.query(`SELECT FROM watermarks WHERE id = '${fence}'`);
  return rows.length > 0;
}

const fence = 'restoring';
