import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PoolClient } from 'pg';
import { beginWithPinnedPlans, claimGrants, headsOfPassMax, readSnapshot } from '../../src/db/grants.ts';
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

async function pass(connection: PoolClient, pool: string): Promise<{ read: Cost; claim: Cost }> {
  await connection.query(beginWithPinnedPlans);
  // More often than Postgres plans anew: what is measured is the plan that it has decided to keep.
  for (let time = 0; time < 7; time += 1) await readSnapshot(connection, { pool, headsMax: headsOfPassMax });
  const read = await costOf(connection, `read_snapshot('${pool}', ${headsOfPassMax})`);
  const { now, waiting } = await readSnapshot(connection, { pool, headsMax: headsOfPassMax });
  const chosen = waiting.slice(0, 50).map(({ id }) => id);
  const none = { granted: [], passedOver: [], nextStartAt: now, overlapTokens: 1, committedUsdMicros: 0 };
  for (let time = 0; time < 7; time += 1) await claimGrants(connection, pool, none);
  const starts = chosen.map(() => now);
  const claim = await costOf(
    connection,
    `claim_grants('${pool}', '{${chosen.join(',')}}', '{${starts.join(',')}}', ${now}, 1)`,
  );
  await connection.query('ROLLBACK');
  return { read, claim };
}

test('a pass touches as many pages at a backlog of 50,000 as at one of 1,000, with a plan made at 1,000', async () => {
  const pool = await bench.addPool();
  // What is under way, all answered: a pass has to count it, and nothing more.
  await bench.accept({ pool, count: 500 });
  while ((await bench.grant()) > 0);
  await bench.pool.query(
    `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation)
     SELECT job, attempt, 'default', pool, target, 'vendor/model', 'vendor', 't', 'accepted', job FROM permits;
     UPDATE permits SET submitting = false`,
  );
  await bench.accept({ pool, count: 1_000 });
  await bench.pool.query('VACUUM ANALYZE');
  const connection = await bench.pool.connect();
  try {
    const few = await pass(connection, pool);
    await bench.accept({ pool, count: 49_000 });
    // Nobody has told the planner, as after a flood.
    const many = await pass(connection, pool);
    expect(many.read.scans).toContain('Index Scan tickets tickets_in_line');
    expect(many.read.scans.filter((scan) => scan.startsWith('Seq Scan') || scan.includes('attempts'))).toEqual([]);
    expect(many.claim.scans.filter((scan) => scan.startsWith('Seq Scan'))).toEqual([]);
    expect(few.read.pages).toBeLessThan(1_000);
    expect(many.read.pages).toBeLessThan(few.read.pages * 1.5 + 20);
    expect(many.claim.pages).toBeLessThan(few.claim.pages * 1.5 + 20);
    expect(many.claim.pages / 50).toBeLessThan(100);
  } finally {
    connection.release();
  }
}, 120_000);
