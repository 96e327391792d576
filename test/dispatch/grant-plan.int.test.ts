import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PoolClient } from 'pg';
import { carryOut } from '../../src/db/scheduler/carry-out.ts';
import { beginPass, foldArrivals, readHoldings } from '../../src/db/scheduler/grants.ts';
import { readHeads } from '../../src/db/scheduler/read-heads.ts';
import { chooseGrants } from '../../src/domain/grants.ts';
import { insertTickets } from './ticket-rows.ts';
import { createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Node[];
}

interface Cost {
  readonly pages: number;
  readonly scans: readonly string[];
}

function scansOf(node: Node): readonly string[] {
  const own =
    node['Relation Name'] === undefined
      ? []
      : [`${node['Node Type']} ${node['Relation Name']} ${node['Index Name'] ?? ''}`.trim()];
  return [...own, ...(node.Plans ?? []).flatMap(scansOf)];
}

/** What the statement that this connection has prepared costs now, by the pages it touches. */
async function costOf(connection: PoolClient, execute: string): Promise<Cost> {
  const { rows } = await connection.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE ${execute}`,
  );
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  if (plan === undefined) throw new Error('no plan');
  return { pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], scans: scansOf(plan) };
}

interface PassCost {
  readonly fold: Cost;
  readonly holdings: Cost;
  readonly heads: Cost;
  readonly carry: Cost;
}

/** More often than Postgres plans anew: what is measured is the plan that it has decided to keep. */
async function oftenEnough<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let time = 0; time < 6; time += 1) await work();
  return await work();
}

/** What a function would say to the database, which it does not. */
async function valuesOf(speak: (connection: PoolClient) => Promise<unknown>): Promise<readonly unknown[]> {
  let values: readonly unknown[] = [];
  const query = async (statement: { values: readonly unknown[] }) => {
    ({ values } = statement);
    return { rows: [{}] };
  };
  await speak(Object.assign(Object.create(bench.pool), { query }));
  return values;
}

function quote(value: unknown): string {
  const text = Array.isArray(value) ? `{${value.join(',')}}` : String(value);
  return `'${text.replaceAll("'", "''")}'`;
}

async function pass(connection: PoolClient, pool: string): Promise<PassCost> {
  await connection.query(beginPass);
  await oftenEnough(() => foldArrivals(connection, pool));
  const fold = await costOf(connection, `fold_arrivals(${quote(pool)})`);
  const holdings = await oftenEnough(() => readHoldings(connection, pool));
  const holdingsCost = await costOf(connection, `read_holdings(${quote(pool)})`);
  const targets = holdings.targets.map(({ name }) => name);
  const heads = await oftenEnough(() => readHeads(connection, { pool, targets, headsMax: 50 }));
  const headsCost = await costOf(connection, `read_heads(${quote(pool)}, '{${targets.join(',')}}', 50)`);
  const room = {
    outstandingMax: 1e6,
    perMinuteMax: 1e6,
    nextStartAt: 0,
    pausedUntil: 0,
    submittingMax: 1e6,
    startSlots: 1e6,
  };
  const budget = { overlapTokens: 1, overlapAt: holdings.now, budgetUsdMicros: null };
  const grants = chooseGrants({ ...holdings, ...heads, ...room, ...budget });
  expect(grants.granted).toHaveLength(50);
  const none = { ...grants, granted: [], flows: [], lanes: [] };
  await oftenEnough(() => carryOut(connection, { pool, grants: none, learned: {}, workingMax: 1, targets: [] }));
  const values = await valuesOf((said) => carryOut(said, { pool, grants, learned: {}, workingMax: 1, targets: [] }));
  const carry = await costOf(connection, `carry_out(${values.map(quote).join(', ')})`);
  await connection.query('ROLLBACK');
  return { fold, holdings: holdingsCost, heads: headsCost, carry };
}

/** Folds what has arrived, and grants nothing. */
async function takeIn(): Promise<void> {
  const arrived = 'SELECT count(*)::int AS count FROM arrivals WHERE n > 0';
  while ((await bench.row<{ count: number }>(arrived)).count > 0) await bench.grant({ startSlots: () => 0 });
}

/** What is under way, all answered: a pass has to count it, and nothing more. */
async function hold(pool: string): Promise<void> {
  await bench.accept({ pool, count: 500 });
  while ((await bench.grant()) > 0);
  await bench.pool.query(
    `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation)
     SELECT job, attempt, 'default', pool, target, 'vendor/model', 'vendor', 't', 'accepted', job FROM permits WHERE pool = '${pool}';
     UPDATE permits SET submitting = false WHERE pool = '${pool}'`,
  );
}

test.each([
  { shape: 'one deep flow', users: 1 },
  { shape: 'a flow a ticket', users: 50_000 },
])(
  'a pass touches as many pages at a backlog of 50,000 as at one of 1,000, with a plan made at 1,000: $shape',
  async ({ users }) => {
    const pool = await bench.addPool();
    await hold(pool);
    await insertTickets(bench.pool, { pool, count: 1_000, users });
    await takeIn();
    await bench.pool.query('VACUUM ANALYZE');
    const connection = await bench.pool.connect();
    try {
      const few = await pass(connection, pool);
      await insertTickets(bench.pool, { pool, count: 49_000, users });
      await takeIn();
      // Nobody has told the planner, as after a flood.
      const many = await pass(connection, pool);
      const scans = Object.values(many).flatMap((cost) => cost.scans);
      expect(scans).toContain('Index Scan tickets tickets_of_flow');
      expect(scans).toContain('Index Scan flows flows_in_order');
      expect(scans.filter((scan) => /^Seq Scan (tickets|flows|jobs|permits|mailbox|attempts)/.test(scan))).toEqual([]);
      expect(scans).not.toContain('Index Scan tickets tickets_by_age');
      const steps = ['fold', 'holdings', 'heads', 'carry'] as const;
      const dearer = steps.filter((step) => many[step].pages > few[step].pages * 1.5 + 50);
      expect(dearer.map((step) => [step, few[step].pages, many[step].pages])).toEqual([]);
      expect(many.carry.pages / 50).toBeLessThan(100);
    } finally {
      connection.release();
    }
  },
  120_000,
);
