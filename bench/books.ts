import { setTimeout as delay } from 'node:timers/promises';
import { withClient } from './transactions.ts';

/** What a database has counted since it was made. */
export interface Books {
  readonly transactions: number;
  readonly bytes: number;
  readonly tables: ReadonlyMap<string, TableBooks>;
}

export interface TableBooks {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** With indexes. */
  readonly bytes: number;
}

/** An idle backend may keep its counts to itself for so long. */
const reportedAfterMs = 12_000;

/** All of a cluster at one moment: its databases by name, and the bytes that its log has ever had. */
export interface ClusterBooks {
  readonly atMs: number;
  readonly walBytes: number;
  readonly databases: ReadonlyMap<string, Books>;
}

export async function readCluster(url: string, databases: readonly string[]): Promise<ClusterBooks> {
  await delay(reportedAfterMs);
  const walBytes = await withClient(url, async (client) => {
    const { rows } = await client.query<{ bytes: string }>(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes`,
    );
    return Number(rows[0]?.bytes);
  });
  const atMs = performance.now();
  const entries = [];
  for (const name of databases) entries.push([name, await readDatabase(urlOf(url, name))] as const);
  return { atMs, walBytes, databases: new Map(entries) };
}

function urlOf(url: string, database: string): string {
  const own = new URL(url);
  own.pathname = database;
  return own.href;
}

async function readDatabase(url: string): Promise<Books> {
  return await withClient(url, async (client) => {
    const { rows: counted } = await client.query<{ transactions: string; bytes: string }>(
      `SELECT xact_commit + xact_rollback AS transactions, pg_database_size(datname) AS bytes
       FROM pg_stat_database WHERE datname = current_database()`,
    );
    const { rows: tables } = await client.query<Record<keyof TableBooks | 'name', string>>(
      `SELECT relname AS name, n_tup_ins AS inserted, n_tup_upd AS updated, n_tup_del AS deleted,
              pg_total_relation_size(relid) AS bytes
       FROM pg_stat_user_tables`,
    );
    return {
      transactions: Number(counted[0]?.transactions),
      bytes: Number(counted[0]?.bytes),
      tables: new Map(
        tables.map(({ name, inserted, updated, deleted, bytes }) => [
          name,
          { inserted: Number(inserted), updated: Number(updated), deleted: Number(deleted), bytes: Number(bytes) },
        ]),
      ),
    };
  });
}

const nothing: TableBooks = { inserted: 0, updated: 0, deleted: 0, bytes: 0 };

/** What was counted between two readings. */
export function booksBetween(before: Books | undefined, after: Books | undefined): Books {
  const { transactions = 0, bytes = 0, tables = new Map<string, TableBooks>() } = after ?? {};
  return {
    transactions: transactions - (before?.transactions ?? 0),
    bytes: bytes - (before?.bytes ?? 0),
    tables: new Map([...tables].map(([name, end]) => [name, tableBetween(before?.tables.get(name) ?? nothing, end)])),
  };
}

function tableBetween(begin: TableBooks, end: TableBooks): TableBooks {
  return {
    inserted: end.inserted - begin.inserted,
    updated: end.updated - begin.updated,
    deleted: end.deleted - begin.deleted,
    bytes: end.bytes - begin.bytes,
  };
}
