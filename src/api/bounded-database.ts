import type { Database } from '../db/pool.ts';
import type { DatabaseWait } from './database-wait.ts';

/** The same database for code that knows nothing of requests: each of its statements is waited for as long as is left. */
export function boundedDatabase(db: Database, wait: DatabaseWait): Database {
  const query = (...parameters: unknown[]): Promise<unknown> => wait.answered(Reflect.apply(db.query, db, parameters));
  return new Proxy(db, {
    get: (target, property): unknown => (property === 'query' ? query : Reflect.get(target, property)),
  });
}
