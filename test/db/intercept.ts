import type { Database } from '../../src/db/pool.ts';

/** The same database, where something happens before a statement. What `before` throws, the statement throws. */
export function intercept<Given extends Database>(
  database: Given,
  before: (statement: string) => Promise<void>,
): Given {
  const query = async (given: string | { readonly name?: string }, ...rest: unknown[]): Promise<unknown> => {
    await before(typeof given === 'string' ? given : (given.name ?? ''));
    return await Reflect.apply(Reflect.get(database, 'query'), database, [given, ...rest]);
  };
  return new Proxy(database, {
    get: (target, property): unknown => (property === 'query' ? query : Reflect.get(target, property)),
  });
}
