import { afterAll, beforeAll, expect, test } from 'vitest';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { auditRecords } from '../support/auditor.ts';
import { violationsOf } from './invariants.ts';
import { createModelRecords } from './model-records.ts';
import type { Mutations } from './model-tables.ts';
import { createScenario, type Scenario } from './scenario.ts';
import { createSqlRecords } from './sql-records.ts';
import { createVirtualClockDatabase, type VirtualClockDatabase } from './virtual-clock-database.ts';
import { type Ending, play } from './world.ts';

export interface SqlSeeds {
  readonly from: number;
  readonly count: number;
}

/** Registers the tests of a file: as many histories against the real functions on a real Postgres, one after the other. */
export function testSqlSeeds({ from, count }: SqlSeeds): void {
  let database: VirtualClockDatabase;
  beforeAll(async () => {
    database = await createVirtualClockDatabase();
    // Two of the scenarios' tenants have budgets that are never reached: who keeps them books and locks more, and grants the same.
    await database.pool.query(
      `INSERT INTO tenants (id, day_budget_usd_micros, month_budget_usd_micros)
       VALUES ('tenant-1', 1000000000000, 1000000000000), ('tenant-3', NULL, 1000000000000)`,
    );
  });
  afterAll(async () => {
    await database.drop();
  });

  const only = process.env['SIMULATION_SEED'];
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => from + index) : [Number(only)];

  test(`on Postgres as in the model: every invariant holds and every grant is the same, ${count} seeds from ${from}`, async () => {
    let ties = 0;
    for (const seed of seeds) {
      const scenario = createScenario(seed, 'postgres');
      const onPostgres = await playOnPostgres(database, scenario);
      const replay = `SIMULATION_SEED=${seed} npx vitest run --project integration test/simulation`;
      expect({ replay, violations: await violationsOnPostgres(database, onPostgres) }).toEqual({
        replay,
        violations: [],
      });
      const inModel = await playInModel(scenario);
      if (inModel.hasTie) ties += 1;
      const compared = inModel.hasTie ? onPostgres : inModel;
      expect({ replay, ...(await traceOf(onPostgres)) }).toEqual({ replay, ...(await traceOf(compared)) });
    }
    expect(ties).toBeLessThan(Math.max(2, seeds.length / 10));
  }, 120_000);

  test('the comparison would notice a grant that is another', async () => {
    let noticed = 0;
    for (let seed = from; seed < from + 10; seed += 1) {
      const scenario = createScenario(seed, 'postgres');
      const ours = JSON.stringify(await traceOf(await playOnPostgres(database, scenario)));
      const mutated = JSON.stringify(await traceOf(await playInModel(scenario, { ignoresRate: true })));
      if (ours !== mutated) noticed += 1;
    }
    expect(noticed).toBeGreaterThan(0);
  });
}

async function playOnPostgres(database: VirtualClockDatabase, scenario: Scenario): Promise<Ending> {
  await database.clear();
  const pools = scenario.pools.map((pool) => ({ ...pool, provider: pool.id }));
  return await play(scenario, async ({ databaseNow }) => {
    await database.at(databaseNow(), () => upsertPools(database.pool, pools));
    return createSqlRecords(database.pool, (call) => database.at(databaseNow(), call));
  });
}

/** `hasTie`: the order of some was Postgres's to choose, so that there the two may differ. */
async function playInModel(scenario: Scenario, mutations: Mutations = {}): Promise<Ending & { hasTie: boolean }> {
  let hasTie = false;
  const onTie = (): void => void (hasTie = true);
  const ending = await play(scenario, ({ databaseNow }) =>
    createModelRecords({ now: databaseNow, pools: scenario.pools, mutations, onTie }),
  );
  return { ...ending, hasTie };
}

/** Where the database's clock has jumped, what it says of earlier and later is not the auditor's to judge. */
async function violationsOnPostgres({ pool }: VirtualClockDatabase, ending: Ending): Promise<readonly string[]> {
  const { jumps, arrivals } = ending.scenario;
  const accepted = arrivals.map(({ job }) => job.id);
  const audited = jumps.length > 0 ? [] : await auditRecords({ pool, accepted });
  return [...(await violationsOf(ending)), ...audited];
}

/** Every POST that reached a vendor, with its moment, and what the ledger has become: all that a grant can decide. */
async function traceOf({ vendor, records }: Ending): Promise<object> {
  const posts = vendor.posts.map(
    ({ at, order }) => `${Math.round(at)} ${order.job}.${order.attempt} ${order.target.name}`,
  );
  const outcomes = (await records.outcomes()).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  return { posts, jobs: outcomes.map((outcome) => ({ ...outcome, events: outcome.events.length > 0 })) };
}
