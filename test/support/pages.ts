import type { Database } from '../../src/db/pool.ts';
import type { TestDatabase } from './database.ts';

interface Explained {
  readonly 'QUERY PLAN': readonly [
    { readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number } },
  ];
}

/**
 * The pages of the buffer cache that the statements of `work` touch, planned as for values that are not known. What a
 * statement costs is told by them, and not by a clock: they are the same on a busy machine.
 */
export async function pagesOf(
  pool: TestDatabase['pool'],
  work: (database: Database) => Promise<unknown>,
): Promise<number> {
  let pages = 0;
  let count = 0;
  const connection = await pool.connect();
  await connection.query('SET plan_cache_mode = force_generic_plan');
  const explaining: Database = {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the two forms of calls that our statements use
    query: (async (statement: string | { text: string; values: unknown[] }, given?: unknown[]) => {
      const { text, values } = typeof statement === 'string' ? { text: statement, values: given } : statement;
      count += 1;
      const explained = await connection.query<Explained>({
        name: `explained ${count}`,
        text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        values,
      });
      const plan = explained.rows[0]?.['QUERY PLAN'][0].Plan;
      if (plan === undefined) throw new Error(`There is no plan of: ${text}`);
      pages += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
      return await connection.query(text, values);
    }) as unknown as Database['query'],
  };
  try {
    await work(explaining);
  } finally {
    connection.release(true);
  }
  return pages;
}
