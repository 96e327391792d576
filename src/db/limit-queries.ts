import type { Database } from './pool.ts';

/**
 * The same database for whoever has many statements at once: so many are under way, the others stand in a line of ours. In
 * that of the pool they would fail after a second, and hold up everybody else's.
 */
export function limitQueries(db: Database, atOnceMax: number): Database {
  const line: (() => void)[] = [];
  let taken = 0;
  const enter = async (...parameters: unknown[]): Promise<unknown> => {
    if (taken < atOnceMax) taken += 1;
    else await new Promise<void>((resolve) => line.push(resolve));
    try {
      return await Reflect.apply(db.query, db, parameters);
    } finally {
      const next = line.shift();
      if (next) next();
      else taken -= 1;
    }
  };
  return new Proxy(db, {
    get: (target, property): unknown => (property === 'query' ? enter : Reflect.get(target, property)),
  });
}
