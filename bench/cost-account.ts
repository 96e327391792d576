import { databases } from '../src/embedded/temporal-server-config.ts';
import { type Books, booksBetween, type ClusterBooks, type TableBooks } from './books.ts';
import type { CpuUse } from './cpu.ts';
import type { Scenario } from './cost-scenarios.ts';
import { rounded, type Row, table } from './table.ts';

/** What one job took, on the average of a run. */
export interface Account {
  readonly name: string;
  readonly ours: Share & { readonly tables: Readonly<Record<string, TableBooks>> };
  readonly temporal: Share & { readonly mainBytes: number; readonly visibilityBytes: number };
  readonly histories: Histories;
  readonly cpu: CpuUse;
}

/** What is done without any job, in a second: it comes off what was done beside the jobs. */
export interface Idle {
  readonly ours: Rest;
  readonly temporal: Rest;
}

export interface Rest {
  readonly transactions: number;
  readonly walBytes: number;
}

export interface Histories {
  readonly events: number;
  readonly bytes: number;
}

interface Share {
  readonly transactions: number;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly walBytes: number;
  /** On the disk afterwards, with indexes and what is dead. */
  readonly bytes: number;
}

interface Run {
  readonly scenario: Scenario;
  readonly jobs: number;
  readonly before: Clusters;
  readonly after: Clusters;
  readonly idle: Idle;
  readonly histories: Histories;
  readonly cpu: CpuUse;
}

interface Clusters {
  readonly ours: ClusterBooks;
  readonly temporals: ClusterBooks;
}

export function accountOf({ scenario, jobs, before, after, idle, histories, cpu }: Run): Account {
  const ours = shareOf(before.ours, after.ours, { jobs, rest: idle.ours });
  const temporal = shareOf(before.temporals, after.temporals, { jobs, rest: idle.temporal });
  const bytesOf = (name: string): number => (temporal.databases.get(name)?.bytes ?? 0) / jobs;
  const [own] = ours.databases.values();
  return {
    name: scenario.name,
    ours: { ...ours.share, tables: own === undefined ? {} : tablesOf(own, jobs) },
    temporal: {
      ...temporal.share,
      mainBytes: bytesOf(databases.main),
      visibilityBytes: bytesOf(databases.visibility),
    },
    histories,
    cpu,
  };
}

function shareOf(
  before: ClusterBooks,
  after: ClusterBooks,
  { jobs, rest }: { readonly jobs: number; readonly rest: Idle['ours'] },
): { readonly share: Share; readonly databases: ReadonlyMap<string, Books> } {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const counted = new Map(
    [...after.databases].map(([name, books]) => [name, booksBetween(before.databases.get(name), books)]),
  );
  const sum = (value: (books: Books) => number): number =>
    [...counted.values()].reduce((total, books) => total + value(books), 0);
  const rows = (value: (books: TableBooks) => number): number =>
    sum(({ tables }) => [...tables.values()].reduce((total, one) => total + value(one), 0)) / jobs;
  const share = {
    transactions: (sum(({ transactions }) => transactions) - rest.transactions * seconds) / jobs,
    inserted: rows(({ inserted }) => inserted),
    updated: rows(({ updated }) => updated),
    deleted: rows(({ deleted }) => deleted),
    walBytes: (after.walBytes - before.walBytes - rest.walBytes * seconds) / jobs,
    bytes: sum(({ bytes }) => bytes) / jobs,
  };
  return { share, databases: counted };
}

/** Of those that a job touches. */
function tablesOf({ tables }: Books, jobs: number): Readonly<Record<string, TableBooks>> {
  const shares = [...tables].map(([name, { inserted, updated, deleted, bytes }]) => {
    const share = { inserted: inserted / jobs, updated: updated / jobs, deleted: deleted / jobs, bytes: bytes / jobs };
    return [name, share] as const;
  });
  return Object.fromEntries(shares.filter(([, { inserted, updated, deleted }]) => inserted + updated + deleted > 0.05));
}

interface Telling {
  readonly say: (line: string) => void;
  readonly jobs: number;
  readonly idle: Idle;
}

export function tellAccounts(accounts: readonly Account[], { say, jobs, idle }: Telling): void {
  say(`\ncost: ${jobs} jobs of each, what one took; what is done without jobs is taken off\n`);
  const row = (name: string, value: (account: Account) => number): Row => [name, ...accounts.map(value)];
  const shares = (name: 'ours' | 'temporal'): readonly Row[] => [
    row(`${name}: transactions`, (account) => account[name].transactions),
    row(`${name}: rows inserted`, (account) => account[name].inserted),
    row(`${name}: rows updated`, (account) => account[name].updated),
    row(`${name}: rows deleted`, (account) => account[name].deleted),
    row(`${name}: kB of log`, (account) => account[name].walBytes / 1_000),
    row(`${name}: kB on disk`, (account) => account[name].bytes / 1_000),
  ];
  say(
    table([
      ['', ...accounts.map(({ name }) => name)],
      ...shares('ours'),
      ...shares('temporal'),
      row('temporal: kB of visibility', ({ temporal }) => temporal.visibilityBytes / 1_000),
      row('history: events', ({ histories }) => histories.events),
      row('history: kB', ({ histories }) => histories.bytes / 1_000),
      ...[...(accounts[0]?.cpu.msByName.keys() ?? [])].map((program) =>
        row(`CPU ms: ${program}`, ({ cpu }) => (cpu.msByName.get(program) ?? 0) / jobs),
      ),
    ]),
  );
  for (const name of ['ours', 'temporal'] as const) {
    const { transactions, walBytes } = idle[name];
    say(`  without jobs, ${name}: ${rounded(transactions)} transactions/s, ${rounded(walBytes / 1_000)} kB of log/s`);
  }
  for (const { name, ours } of accounts) {
    const rows = Object.entries(ours.tables).toSorted(([, one], [, other]) => other.bytes - one.bytes);
    const cells = rows.map(([of, { inserted, updated, deleted, bytes }]): Row => [
      of,
      inserted,
      updated,
      deleted,
      bytes / 1_000,
    ]);
    say(`\n${table([[name, 'inserted', 'updated', 'deleted', 'kB'], ...cells])}`);
  }
}
