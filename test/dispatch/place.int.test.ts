import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forgetDepths } from '../../src/db/scheduler/depths.ts';
import { readLine, type StoredLine } from '../../src/db/scheduler/line.ts';
import { findPlaces } from '../../src/db/scheduler/place.ts';
import { queueOf } from '../../src/api/reading/queue-object.ts';
import { target } from '../db/ledger/ledger-bench.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { createDispatchBench, type DispatchBench } from './dispatch-bench.ts';
import { insertTickets } from './ticket-rows.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(() => bench.drop());

interface Crowd {
  readonly pool: string;
  readonly count: number;
  /** In `priorities`. */
  readonly class?: number;
  /** Whose job each is: by its number. */
  readonly caller?: (number: number) => string;
  readonly target?: string;
  readonly tenant?: string;
}

/** When the next ones are accepted, in seconds: 2,000 jobs in each. */
let acceptedAt = Date.now() / 1_000 - 3_600;

/** Jobs in line, in statements of 200 as accept writes them. */
async function crowd(wish: Crowd): Promise<readonly string[]> {
  const { pool, count, class: priority = 1, caller = () => '', target: name = target.name, tenant = 'default' } = wish;
  const jobs = Array.from({ length: count }, () => `video_${uuidv7()}`);
  for (let from = 0; from < count; from += 200) {
    const some = jobs.slice(from, from + 200);
    await bench.pool.query(
      `WITH input AS (SELECT * FROM unnest($1::text[], $2::text[]) AS input(id, caller)), made AS (
         INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline)
         SELECT id, $7, 'model', '{}', $3, $4, now() + interval '1 hour' FROM input ORDER BY id
       )
       INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, queue_deadline)
       SELECT id, 1, $7, caller, $5, 0, $6, $4, 'first', to_timestamp($8), now() + interval '1 hour' FROM input ORDER BY id`,
      [
        some,
        some.map((_id, index) => caller(from + index)),
        JSON.stringify([{ ...target, name, pool }]),
        priority,
        pool,
        name,
        tenant,
        (acceptedAt += 0.1),
      ],
    );
  }
  return jobs;
}

const fold = () => bench.grant({ startSlots: () => 0 });
const findPlace = async (job: string) => (await findPlaces(bench.pool, [job]))[0];

/** Serves everybody, and says in which order. */
async function drain(pool: string): Promise<ReadonlyMap<string, number>> {
  const order = new Map<string, number>();
  while ((await bench.grant()) > 0) {
    for (const job of await bench.permitted(pool)) order.set(job, order.size + 1);
    await bench.pool.query('DELETE FROM permits WHERE pool = $1', [pool]);
  }
  return order;
}

/**
 * Of some who wait, those whose place turns out to be another: at the head at all, behind it by more than a twentieth. Where
 * flows of all kinds meet, few are off by up to an eighth: which ones depends on the moments at which they came. More than
 * one in two hundred are a fault, and so is a single one beyond that.
 */
async function wronglyTold(pool: string, jobs: readonly string[], seen?: StoredLine) {
  const waiting = await bench.rows<{ job: string }>('SELECT job FROM tickets WHERE pool = $1', pool);
  const left = new Set(waiting.map(({ job }) => job));
  const asked = sample(jobs.filter((job) => left.has(job)));
  const line = seen ?? (await readLine(bench.pool, pool));
  const told = new Map<string, number | null>();
  for (const job of asked) told.set(job, queueOf([target], { place: await findPlace(job), line }).position);
  await bench.pool.query('DELETE FROM permits WHERE pool = $1', [pool]);
  const order = await drain(pool);
  const places = asked.map((job) => ({ said: told.get(job) ?? Number.NaN, real: order.get(job) ?? Number.NaN }));
  const beyond = (share: number) =>
    places.filter(({ said, real }) => !(Math.abs(said - real) <= Math.max(2, real * share)));
  const wrong = beyond(1 / 20);
  return wrong.length <= asked.length / 200 ? beyond(1 / 8) : wrong;
}

/** The same ones in every run: what is found by chance is found by somebody else. */
function sample(jobs: readonly string[]): readonly string[] {
  const step = Math.ceil(jobs.length / 1_000);
  const some = jobs.filter((_job, index) => index % step === 0);
  return [...new Set([...jobs.slice(0, 10), ...jobs.slice(-10), ...some])];
}

test('in a deep flow that came in bursts, half of which is cancelled', async () => {
  const pool = await bench.addPool({ outstandingMax: 100_000 });
  const jobs: string[] = [];
  for (const count of [300, 2_000, 40, 500, 5_000]) {
    jobs.push(...(await crowd({ pool, count })));
    await fold();
  }
  const gone = jobs.filter((_job, index) => (index < 2_800 ? index % 4 > 0 : index % 3 === 0));
  for (let from = 0; from < gone.length; from += 500)
    await bench.pool.query('DELETE FROM tickets WHERE job = ANY($1)', [gone.slice(from, from + 500)]);
  await fold();
  for (let pass = 0; pass < 10; pass += 1) await bench.grant();
  expect(await wronglyTold(pool, jobs)).toEqual([]);
}, 60_000);

test('among flows of all depths, classes, weights and targets', async () => {
  const pool = await bench.addPool({ outstandingMax: 100_000 });
  await bench.pool.query(`INSERT INTO tenants (id, weight) VALUES ('big', 3), ('small', 0.5)`);
  const jobs: string[] = [];
  const add = async (wish: Omit<Crowd, 'pool'>): Promise<void> => void jobs.push(...(await crowd({ pool, ...wish })));
  await add({ count: 900, caller: () => 'deep' });
  await add({ count: 900, caller: (number) => `one of thirty, ${number % 30}` });
  await fold();
  for (let pass = 0; pass < 15; pass += 1) await bench.grant();
  await add({ count: 600, caller: (number) => `single ${number}` });
  await add({ count: 600, caller: (number) => `uneven ${Math.floor(Math.sqrt(number))}`, tenant: 'big' });
  await add({ count: 300, caller: (number) => `small ${number % 7}`, tenant: 'small', target: 'vendor/other' });
  await add({ count: 300, caller: () => 'urgent', class: 0 });
  await add({ count: 300, caller: (number) => `idle ${number % 50}`, class: 2 });
  await fold();
  await bench.grant();
  await add({ count: 400, caller: (number) => `one of thirty, ${number % 60}`, target: 'vendor/other' });
  await add({ count: 300, caller: () => 'urgent too', class: 0 });
  await fold();
  expect(await wronglyTold(pool, jobs)).toEqual([]);
}, 60_000);

test('among flows of one job each, by a view of the line that is not the newest', async () => {
  const pool = await bench.addPool({ outstandingMax: 100_000 });
  const jobs = await crowd({ pool, count: 2_500, caller: (number) => `user ${number}` });
  for (let pass = 0; pass < 5; pass += 1) await bench.grant();
  const line = await readLine(bench.pool, pool);
  for (let pass = 0; pass < 10; pass += 1) await bench.grant();
  expect(await wronglyTold(pool, jobs, line)).toEqual([]);
}, 60_000);

test('before anybody has looked at the line', async () => {
  const pool = await bench.addPool();
  const jobs = await crowd({ pool, count: 500, caller: (number) => `user ${number % 20}` });
  expect(await wronglyTold(pool, [...jobs, ...(await crowd({ pool, count: 10, class: 0 }))])).toEqual([]);
});

test('a target that is left alone is a line of its own, says so, and promises nothing', async () => {
  const pool = await bench.addPool({ outstandingMax: 5 });
  const ill = await crowd({ pool, count: 300, target: 'vendor/ill' });
  await fold();
  await bench.pool.query(`UPDATE targets SET admits = 0 WHERE pool = $1 AND name = 'vendor/ill'`, [pool]);
  const well = await crowd({ pool, count: 30, caller: () => 'somebody' });
  expect(await bench.grant()).toBe(5);
  const line = await readLine(bench.pool, pool);
  const queueAt = async (job = '') => queueOf([target], { place: await findPlace(job), line });
  expect(await queueAt(ill[99])).toEqual({ position: 100, eta_seconds: null, reason: 'waiting_target' });
  expect(await queueAt(well[9])).toMatchObject({ position: 5, reason: 'waiting_capacity' });
  expect((await queueAt(well[9])).eta_seconds).toBeGreaterThan(0);
});

test('who was told to come back later has no place yet, and says so', async () => {
  const pool = await bench.addPool();
  const [job = ''] = await crowd({ pool, count: 1 });
  await bench.pool.query(
    `UPDATE tickets SET parked = true, not_before = clock_timestamp() + interval '10 s' WHERE job = $1`,
    [job],
  );
  const queue = queueOf([target], { place: await findPlace(job), line: await readLine(bench.pool, pool) });
  expect(queue).toEqual({ position: null, eta_seconds: expect.any(Number), reason: 'waiting_retry' });
  expect(queue.eta_seconds).toBeGreaterThan(9);
});

test('buckets are some hundred, the stale ones are forgotten, and flows of one job have none', async () => {
  const pool = await bench.addPool({ outstandingMax: 100_000 });
  await crowd({ pool, count: 1_000, caller: (number) => `user ${number}` });
  await fold();
  const buckets = () => bench.row<{ count: number }>('SELECT count(*)::int AS count FROM depths WHERE pool = $1', pool);
  expect(await buckets()).toEqual({ count: 0 });

  // Two hours of a trickle: a quarter of a second each would be 28,800.
  await bench.pool.query(
    `INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, queue_deadline)
     SELECT 'video_' || overlay(gen_random_uuid()::text PLACING '7' FROM 15), 1, 'default', 'slow', $1, 0, 'vendor/model', 1, 'first',
            now() - interval '2 h' + n * interval '1.5 s', now() FROM generate_series(1, 4800) AS n`,
    [pool],
  );
  await fold();
  const { count } = await buckets();
  expect(count).toBeGreaterThan(50);
  expect(count).toBeLessThan(300);
  await forgetDepths(bench.pool);
  expect(await buckets()).toEqual({ count });
  await bench.pool.query(`DELETE FROM tickets WHERE pool = $1 AND accepted_at < now() - interval '1 h'`, [pool]);
  await fold();
  await forgetDepths(bench.pool);
  expect((await buckets()).count).toBeLessThan(count * 0.7);
  await bench.pool.query('DELETE FROM tickets WHERE pool = $1', [pool]);
  await forgetDepths(bench.pool);
  expect(await buckets()).toEqual({ count: 0 });
});

interface PlanNode {
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** The parts of a plan that have looked at many rows. */
function longScans(node: PlanNode): readonly string[] {
  const rows = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  const own = rows > limits.placesBehindCountedMax ? [`${rows} by ${node['Index Name'] ?? 'no index'}`] : [];
  return [...own, ...(node.Plans ?? []).flatMap(longScans)];
}

test('a place is found without counting the line, with a plan made for a thousand', async () => {
  const pool = await bench.addPool();
  const jobAt = async (index: number): Promise<string> => {
    const sql = 'SELECT job FROM tickets WHERE pool = $1 ORDER BY id OFFSET $2 LIMIT 1';
    return (await bench.row<{ job: string }>(sql, pool, index)).job;
  };
  await insertTickets(bench.pool, { pool, count: 1_000 });
  // A table of one page is read whole until it is analysed anew, whatever its indexes.
  await crowd({ pool: await bench.addPool(), count: 200, caller: (number) => `user ${number}` });
  await fold();
  await bench.pool.query('ANALYZE');
  const connection = await bench.pool.connect();
  try {
    const first = await jobAt(900);
    // More often than Postgres plans anew: what is measured is the plan that it has decided to keep.
    for (let time = 0; time < 7; time += 1) await findPlaces(connection, [first]);
    for (let time = 0; time < 3; time += 1) await insertTickets(bench.pool, { pool, count: 7_000 });
    await crowd({ pool, count: 1_000, caller: (number) => `user ${number}` });
    await fold();
    for (const index of [900, 12_000, 21_900, 22_500]) {
      const { rows } = await connection.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE find_places(ARRAY['${await jobAt(index)}'])`,
      );
      const plan = rows[0]?.['QUERY PLAN'][0].Plan;
      expect(plan && longScans(plan)).toEqual([]);
    }
  } finally {
    connection.release();
  }
}, 60_000);
