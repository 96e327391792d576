import type pg from 'pg';

/** Advisory locks: any numbers that are ours alone. */
const locks = {
  reconciler: 7_741_530_201,
  sweeper: 7_741_530_202,
  health: 7_741_530_203,
  drains: 7_741_530_204,
  refunds: 7_741_530_211,
} as const;

/** Runs `work` if no other process is at the same task. Returns whether it ran. */
export async function asOnlyOne(pool: pg.Pool, task: keyof typeof locks, work: () => Promise<void>): Promise<boolean> {
  const connection = await pool.connect();
  let broken: Error | undefined;
  try {
    const { rows } = await connection.query<{ ours: boolean }>('SELECT pg_try_advisory_lock($1) AS ours', [
      locks[task],
    ]);
    if (rows[0]?.ours !== true) return false;
    try {
      await work();
      return true;
    } finally {
      // A connection that may still hold the lock must not go back: nobody would ever be the one again.
      await connection.query('SELECT pg_advisory_unlock($1)', [locks[task]]).catch((error: Error) => (broken = error));
    }
  } finally {
    connection.release(broken);
  }
}
