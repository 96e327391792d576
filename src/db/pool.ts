import { type ClientConfig, Pool, type PoolClient } from 'pg';
import { isReadOnlyError, PrimaryClient } from './hosts.ts';

export interface PoolSettings {
  readonly url: string;
  readonly connectionsMax: number;
  /** What the pool is for; shown in pg_stat_activity. */
  readonly name: string;
  /** Milliseconds after which the server gives a statement up. */
  readonly statementTimeoutMs?: number;
  /** For a connection to be had. Absent: as long as a caller waits for one. */
  readonly connectTimeoutMs?: number;
  readonly onError: (error: Error) => void;
}

/**
 * A pool whose waits all end: connecting, statements and queries have their timeouts, and an idle transaction is ended
 * by the server. An idle connection that breaks is reported; without the listener it would end the process.
 */
export function createPool(settings: PoolSettings): Pool {
  const statementTimeoutMs = settings.statementTimeoutMs ?? 1_000;
  const connection: ClientConfig = {
    connectionString: settings.url,
    application_name: `spillway-${settings.name}`,
    connectionTimeoutMillis: settings.connectTimeoutMs ?? 1_000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + 500,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
  };
  const pool = new Pool({
    ...connection,
    max: settings.connectionsMax,
    // Several hosts are tried in turn, until one can be written to.
    Client: class extends PrimaryClient {
      constructor() {
        super(connection);
      }
    },
    verify: refuseStandby,
  });
  pool.on('error', settings.onError);
  // The pool listens to idle connections only: one that breaks inside a transaction would end the process.
  pool.on('connect', (connection) => connection.on('error', () => undefined));
  return pool;
}

function refuseStandby(fresh: PoolClient, done: (error?: Error) => void): void {
  if (!(fresh instanceof PrimaryClient)) return done();
  // oxlint-disable-next-line promise/no-callback-in-promise -- the pool knows no other way.
  void fresh.refuseStandby().then(() => done(), done);
}

/** What a statement needs: a pool, or one connection of it inside a transaction. */
export type Database = Pick<Pool, 'query'>;

/** What a transaction needs. */
export type Connections = Pick<Pool, 'query' | 'connect'>;

/**
 * Runs `work` in one transaction on one connection: committed when it returns, rolled back when it throws. `begin` may
 * set what is to hold for this transaction in the same trip to the server.
 */
export async function inTransaction<Result>(
  pool: Connections,
  work: (connection: PoolClient) => Promise<Result>,
  begin = 'BEGIN',
): Promise<Result> {
  const connection = await pool.connect();
  try {
    await connection.query(begin);
    const result = await work(connection);
    await connection.query('COMMIT');
    connection.release();
    return result;
  } catch (error) {
    await rollBack(connection, error);
    throw error;
  }
}

/** A connection that can't even roll back is broken and leaves the pool, as does one to a server that only follows now. */
async function rollBack(connection: PoolClient, cause: unknown): Promise<void> {
  try {
    await connection.query('ROLLBACK');
    connection.release(isReadOnlyError(cause));
  } catch (error) {
    connection.release(error instanceof Error ? error : true);
  }
}
