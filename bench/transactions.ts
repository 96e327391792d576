import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

/** Backends report their counts at most once a second. */
const reportedAfterMs = 1_200;

/** Transactions that the database has committed. Call it when its clients have left: the last counts come with that. */
export async function committedTransactions(url: string): Promise<number> {
  await delay(reportedAfterMs);
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ count: string }>(
      'SELECT xact_commit AS count FROM pg_stat_database WHERE datname = current_database()',
    );
    return Number(rows[0]?.count ?? 0);
  });
}

export async function withClient<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 30_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
