import type pg from 'pg';

/** Advisory locks: any numbers that are ours alone. */
const locks = {
  reconciler: 7_741_530_201,
  sweeper: 7_741_530_202,
  health: 7_741_530_203,
  drains: 7_741_530_204,
  refunds: 7_741_530_211,
  refusals: 7_741_530_212,
  restore: 7_741_530_213,
} as const;

/** Milliseconds after which a holder that says nothing is taken for gone, and how often one that works says so. */
const silentMsMax = 10_000;
const aliveEveryMs = 2_000;

/**
 * Runs `work` if no other process is at the same task. Returns whether it ran. The lock is that of a transaction which is
 * open for as long as the work: a machine that vanishes without a word loses it when the server ends that transaction,
 * while a lock of the session would stay until TCP gives up, hours later. A pooler does not tear it apart either. A holder that
 * was silent for too long goes on beside the next one until its round is over, so every task has to bear two: what they write is
 * conditional or leased by its rows, and the worst is a sample, a poll or a shown job too many.
 */
export async function asOnlyOne(pool: pg.Pool, task: keyof typeof locks, work: () => Promise<void>): Promise<boolean> {
  const connection = await pool.connect();
  let broken: Error | undefined;
  try {
    if (!(await tryLock(connection, locks[task]))) return false;
    // It holds no snapshot between statements, so nothing dead is kept by it.
    const alive = setInterval(() => void connection.query('SELECT 1').catch(() => undefined), aliveEveryMs);
    try {
      await work();
      return true;
    } finally {
      clearInterval(alive);
    }
  } finally {
    // A connection that may still hold the lock must not go back: nobody would ever be the one again.
    await connection.query('ROLLBACK').catch((error: Error) => (broken = error));
    connection.release(broken);
  }
}

/** What it has begun is the caller’s to end. */
async function tryLock(connection: pg.PoolClient, lock: number): Promise<boolean> {
  await connection.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${silentMsMax}`);
  // Without parameters: the portal of a statement that has some keeps its snapshot for as long as the transaction.
  const { rows } = await connection.query<{ ours: boolean }>(`SELECT pg_try_advisory_xact_lock(${lock}) AS ours`);
  return rows[0]?.ours === true;
}
