import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { databases } from '../src/embedded/temporal-server-config.ts';
import { booksBetween, type ClusterBooks, readCluster } from './books.ts';
import { type Account, accountOf, type Histories, type Idle, type Rest, tellAccounts } from './cost-account.ts';
import { cpuBetween, noiseWarning, readCpu } from './cpu.ts';
import { type Ordering, openOrdering, type Scenario, scenarios } from './cost-scenarios.ts';
import { openStage, type Stage, startSimulator, startSpillway } from './stage.ts';
import type { Program } from './program.ts';
import { withClient } from './transactions.ts';

export interface CostOptions {
  readonly jobs: number;
}

/** Callbacks come a second after the POST, and a poll half a second after they should have. */
const timeScale = '0.02';
const warmUpJobs = 30;
const idleSeconds = 30;
const settledWithinMs = 600_000;

/** What a job leaves in Postgres and in Temporal, by how it went. Counts do not depend on how fast the machine is. */
export async function benchCost({ jobs }: CostOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage({ temporal: 'postgres', isApart: true });
  const programs: Program[] = [];
  const ordering = await openOrdering(stage);
  try {
    // Breakers would spare the later ones the failure of the first.
    const env = { SIMULATOR_TIME_SCALE: timeScale, BREAKERS: 'false', WEBHOOK_ALLOW_PRIVATE: 'true' };
    programs.push(await startSimulator(stage, timeScale));
    programs.push(await startSpillway(stage, 'api', env), await startSpillway(stage, 'worker', env));
    const idle = await idleOf(stage);
    const accounts: Account[] = [];
    for (const scenario of scenarios) {
      const account = await costOf(stage, { scenario, ordering, jobs, idle, programs });
      say(`  ${scenario.name} is done`);
      accounts.push(account);
    }
    tellAccounts(accounts, { say, jobs, idle });
    say(noiseWarning(accounts.map(({ cpu }) => cpu)) ?? '');
    return { bench: 'cost', figure: accounts[0]?.ours.transactions, unit: 'transactions a job', jobs };
  } finally {
    await ordering.close();
    for (const program of programs.toReversed()) await program.stop();
    await stage.stop();
  }
}

interface BothClusters {
  readonly ours: ClusterBooks;
  readonly temporals: ClusterBooks;
}

async function readBoth({ databaseUrl, temporalPostgresUrl }: Stage): Promise<BothClusters> {
  const name = new URL(databaseUrl).pathname.slice(1);
  const [ours, temporals] = await Promise.all([
    readCluster(databaseUrl, [name]),
    readCluster(temporalPostgresUrl, [databases.main, databases.visibility]),
  ]);
  return { ours, temporals };
}

async function idleOf(stage: Stage): Promise<Idle> {
  const before = await readBoth(stage);
  await delay(idleSeconds * 1_000);
  const after = await readBoth(stage);
  const restOf = (begin: ClusterBooks, end: ClusterBooks): Rest => {
    const seconds = (end.atMs - begin.atMs) / 1_000;
    const counted = [...end.databases].map(([name, books]) => booksBetween(begin.databases.get(name), books));
    const transactions = counted.reduce((sum, books) => sum + books.transactions, 0);
    return { transactions: transactions / seconds, walBytes: (end.walBytes - begin.walBytes) / seconds };
  };
  return { ours: restOf(before.ours, after.ours), temporal: restOf(before.temporals, after.temporals) };
}

interface Costing {
  readonly scenario: Scenario;
  readonly ordering: Ordering;
  readonly jobs: number;
  readonly idle: Idle;
  readonly programs: readonly Program[];
}

async function costOf(stage: Stage, { scenario, ordering, jobs, idle, programs }: Costing): Promise<Account> {
  await untilSettled(stage, await ordering.order(scenario, warmUpJobs));
  const before = await readBoth(stage);
  const measured = [...stage.servers, ...programs];
  const cpuBefore = await readCpu(measured);
  const ids = await ordering.order(scenario, jobs);
  await untilSettled(stage, ids);
  const cpu = cpuBetween(cpuBefore, await readCpu(measured), availableParallelism());
  const after = await readBoth(stage);
  return accountOf({ scenario, jobs, before, after, idle, cpu, histories: await readHistories(stage, ids) });
}

async function untilSettled({ databaseUrl }: Stage, ids: readonly string[]): Promise<void> {
  const giveUpAt = Date.now() + settledWithinMs;
  await withClient(databaseUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ left: number }>(
        `SELECT count(*) FILTER (WHERE phase <> 'completed')::int
              + (SELECT count(*)::int FROM webhook_deliveries WHERE state = 'pending') AS left
         FROM jobs WHERE id = ANY($1::text[])`,
        [ids],
      );
      if (rows[0]?.left === 0) return;
      if (Date.now() > giveUpAt) throw new Error(`${rows[0]?.left} of ${ids.length} jobs are not settled.`);
      await delay(250);
    }
  });
}

const historiesOfSample = 50;

async function readHistories(stage: Stage, ids: readonly string[]): Promise<Histories> {
  const connection = await Connection.connect({ address: stage.temporalAddress ?? '' });
  try {
    const client = new Client({ connection });
    const sample = ids.slice(0, historiesOfSample);
    let [events, bytes] = [0, 0];
    for (const id of sample) {
      const { historyLength, historySize = 0 } = await client.workflow.getHandle(id).describe();
      events += historyLength;
      bytes += historySize;
    }
    return { events: events / sample.length, bytes: bytes / sample.length };
  } finally {
    await connection.close();
  }
}
