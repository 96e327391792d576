import type { Database } from './pool.ts';

/** Resolves when the database answers. */
export async function ping(db: Database): Promise<void> {
  await db.query('SELECT 1');
}
