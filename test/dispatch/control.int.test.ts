import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { beginAttempt } from '../../src/db/ledger/attempts.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { readPoolUse } from '../../src/db/scheduler/capacity.ts';
import { lockPool } from '../../src/db/scheduler/grants.ts';
import { clearLimits, overrideLimits } from '../../src/db/control/limit-overrides.ts';
import { findPlaces } from '../../src/db/scheduler/place.ts';
import { type PauseOrder, pauseSubject, resumeSubject } from '../../src/db/control/pauses.ts';
import { readPoolControls } from '../../src/db/control/pool-controls.ts';
import { readLine } from '../../src/db/scheduler/line.ts';
import { queueAttempt } from '../../src/db/ledger/settle.ts';
import { findSpillSources } from '../../src/db/scheduler/spill-state.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { createSpillPass } from '../../src/dispatch/spill-pass.ts';
import { queueOf } from '../../src/api/reading/queue-object.ts';
import { beginOrder, target } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';
import { insertTickets } from './ticket-rows.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
  await bench.pool.query(`INSERT INTO tenants (id) VALUES ('alpha'), ('beta') ON CONFLICT DO NOTHING`);
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query(
    'DELETE FROM pauses; DELETE FROM limit_overrides; DELETE FROM tickets; DELETE FROM arrivals; DELETE FROM flows; DELETE FROM held_tenants',
  );
});

const signed = { actor: 'ann', reason: 'a test' };
const pause = (order: Pick<PauseOrder, 'kind' | 'subject'> & Partial<PauseOrder>) =>
  pauseSubject(bench.pool, { drains: false, seconds: null, ...signed, ...order });
const resume = (order: Pick<PauseOrder, 'kind' | 'subject'>) => resumeSubject(bench.pool, { ...signed, ...order });
/** As if that much time had gone by. */
const endPauses = () => bench.pool.query(`UPDATE pauses SET until = clock_timestamp() - interval '1 second'`);

async function reasonOf(job: string): Promise<string | undefined> {
  const [place] = await findPlaces(bench.pool, [job]);
  const route = (await bench.row<{ route: (typeof target)[] }>('SELECT route FROM jobs WHERE id = $1', job)).route;
  const line = place && (await readLine(bench.pool, place.pool));
  return queueOf(route, { place, line }).reason;
}

describe('a pause of a pool', () => {
  test('grants nothing there until it is resumed, neither to the first nor to a retry or an overlap', async () => {
    const [pool, other] = [await bench.addPool(), await bench.addPool()];
    const slow = await bench.acceptOne({ pool });
    await bench.grant();
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      slow,
    );
    await beginAttempt(bench.pool, beginOrder(slow, grant));
    await queueAttempt(bench.pool, { jobId: slow, ticket: { attempt: 2, target: 0, kind: 'overlap' }, waitMs: 0 });
    const waiting = await bench.acceptOne({ pool });
    const free = await bench.acceptOne({ pool: other });

    expect(await pause({ kind: 'pool', subject: pool })).toBe('done');
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(other)).toEqual([free]);
    expect(await reasonOf(waiting)).toBe('waiting_operator');

    expect(await resume({ kind: 'pool', subject: pool })).toBe('done');
    expect(await bench.grant()).toBe(2);
    expect(await resume({ kind: 'pool', subject: pool })).toBe('absent');
  });

  test('ends by itself, and nobody says so any more', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool });
    await pause({ kind: 'pool', subject: pool, seconds: 3_600 });
    expect(await bench.grant()).toBe(0);
    await endPauses();
    expect(await reasonOf(job)).not.toBe('waiting_operator');
    expect(await bench.grant()).toBe(1);
  });
});

describe('a pause of a target', () => {
  test('leaves the others of its pool alone', async () => {
    const pool = await bench.addPool();
    const held = await bench.acceptOne({ pool, target: { name: 'vendor/held' } });
    const free = await bench.acceptOne({ pool, target: { name: 'vendor/free' } });
    await bench.pool.query(`INSERT INTO targets (pool, name) VALUES ($1, 'vendor/held') ON CONFLICT DO NOTHING`, [
      pool,
    ]);
    await pause({ kind: 'target', subject: 'vendor/held' });
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([free]);
    expect(await reasonOf(held)).toBe('waiting_operator');
    await resume({ kind: 'target', subject: 'vendor/held' });
    expect(await bench.grant()).toBe(1);
  });

  test('a name that nobody knows is refused and written down nowhere', async () => {
    const before = await bench.count('operator_actions');
    expect(await pause({ kind: 'target', subject: 'vendor/none' })).toBe('unknown');
    expect(await pause({ kind: 'pool', subject: 'none' })).toBe('unknown');
    expect(await pause({ kind: 'tenant', subject: 'none' })).toBe('unknown');
    expect(await resume({ kind: 'tenant', subject: 'none' })).toBe('unknown');
    expect(await bench.count('operator_actions')).toBe(before);
    expect(await bench.count('pauses')).toBe(0);
  });

  test('an order is carried out once for each request, also after it was undone', async () => {
    const pool = await bench.addPool();
    const order = { kind: 'pool', subject: pool, request: `once-${pool}` } as const;
    expect(await pause(order)).toBe('done');
    expect(await resume({ kind: 'pool', subject: pool })).toBe('done');
    expect(await pause(order)).toBe('repeated');
    expect(await bench.count('pauses')).toBe(0);
    const written = await bench.rows('SELECT action FROM operator_actions WHERE subject = $1 ORDER BY id', pool);
    expect(written).toEqual([{ action: 'pause' }, { action: 'resume' }]);
  });
});

/** A job that may go to the second pool as well. */
async function routed({
  from,
  to,
  tenant = 'default',
}: {
  from: string;
  to: string;
  tenant?: string;
}): Promise<string> {
  const job = await bench.acceptOne({ pool: from, tenant, target: { name: `vendor/${from}` } });
  await bench.pool.query(
    `UPDATE jobs SET route = route || jsonb_build_array(jsonb_build_object('name', $2::text, 'pool', $3::text, 'provider', 'vendor'))
     WHERE id = $1`,
    [job, `vendor/${to}`, to],
  );
  for (const pool of [from, to])
    await bench.pool.query(`INSERT INTO targets (pool, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      pool,
      `vendor/${pool}`,
    ]);
  return job;
}

test('who fails over to a paused target waits there until it is resumed', async () => {
  const [from, to] = [await bench.addPool(), await bench.addPool()];
  const job = await routed({ from, to });
  await bench.grant();
  const { grant } = await bench.row<{ grant: string }>(
    'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
    job,
  );
  await beginAttempt(bench.pool, beginOrder(job, grant));
  await pause({ kind: 'target', subject: `vendor/${to}` });
  await queueAttempt(bench.pool, { jobId: job, ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 0 });
  expect(await bench.grant()).toBe(0);
  expect(await reasonOf(job)).toBe('waiting_operator');
  expect(await createSpillPass({ pool: bench.pool }).round()).toBe(0);
  await resume({ kind: 'target', subject: `vendor/${to}` });
  expect(await bench.grant()).toBe(1);
});

describe('an order', () => {
  test('under the id of another one is refused, and changes nothing', async () => {
    const pool = await bench.addPool();
    const order = { kind: 'pool', subject: pool, request: `reused-${pool}` } as const;
    expect(await pause({ ...order, seconds: 60 })).toBe('done');
    expect(await pause(order)).toBe('reused');
    expect(await bench.row('SELECT until IS NOT NULL AS "isBounded" FROM pauses WHERE subject = $1', pool)).toEqual({
      isBounded: true,
    });
    const end = { kind: 'pool', subject: pool, ...signed } as const;
    expect(await resumeSubject(bench.pool, { ...end, request: order.request })).toBe('reused');
    expect(await resumeSubject(bench.pool, { ...end, request: `end-${pool}` })).toBe('done');
    expect(await resumeSubject(bench.pool, { ...end, request: `end-${pool}` })).toBe('repeated');
  });

  test('that ends what is over already is written down nowhere', async () => {
    const pool = await bench.addPool();
    await pause({ kind: 'pool', subject: pool, seconds: 60 });
    await overrideLimits(bench.pool, { pool, outstandingMax: 1, perMinuteMax: null, seconds: 60, ...signed });
    await endPauses();
    await bench.pool.query(`UPDATE limit_overrides SET expires_at = clock_timestamp() - interval '1 second'`);
    expect(await resume({ kind: 'pool', subject: pool })).toBe('absent');
    expect(await clearLimits(bench.pool, { pool, ...signed })).toBe('absent');
    expect(await bench.rows('SELECT action FROM operator_actions WHERE subject = $1 ORDER BY id', pool)).toEqual([
      { action: 'pause' },
      { action: 'limits' },
    ]);
  });
});

describe('a drained target', () => {
  test('sends who has elsewhere to go there at once, and keeps the others', async () => {
    const [from, to] = [await bench.addPool(), await bench.addPool()];
    const moves = await routed({ from, to });
    const stays = await bench.acceptOne({ pool: from, target: { name: `vendor/${from}` } });
    await pause({ kind: 'target', subject: `vendor/${from}`, drains: true });
    expect(await bench.grant()).toBe(0);
    const moved: unknown[] = [];
    await createSpillPass({ pool: bench.pool, onMoved: (one) => moved.push(one) }).round();
    expect(moved).toEqual([{ from: `vendor/${from}`, to: `vendor/${to}`, reason: 'drain' }]);
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(to)).toEqual([moves]);
    expect(await reasonOf(stays)).toBe('waiting_operator');
  });

  test('is nowhere to go to, nor is a paused target or pool', async () => {
    for (const kind of ['target', 'pool'] as const) {
      const [from, to] = [await bench.addPool({ outstandingMax: 1 }), await bench.addPool()];
      await bench.acceptOne({ pool: from });
      await bench.grant();
      const job = await routed({ from, to });
      await bench.pool.query(`UPDATE tickets SET spill_at = clock_timestamp() WHERE job = $1`, [job]);
      await pause({ kind, subject: kind === 'pool' ? to : `vendor/${to}`, drains: kind === 'target' });
      await bench.grant();
      expect(await createSpillPass({ pool: bench.pool }).round()).toBe(0);
      await resume({ kind, subject: kind === 'pool' ? to : `vendor/${to}` });
      expect(await createSpillPass({ pool: bench.pool }).round()).toBe(1);
    }
  });

  test('what it has been granted goes on', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool });
    await bench.grant();
    await pause({ kind: 'target', subject: target.name, drains: true });
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    expect(await beginAttempt(bench.pool, beginOrder(job, grant))).toMatchObject({ verdict: 'go' });
  });
});

describe('while a tenant is paused', () => {
  const spill = () => createSpillPass({ pool: bench.pool }).round();
  const isDue = (...jobs: readonly string[]) =>
    bench.pool.query(`UPDATE tickets SET spill_at = clock_timestamp() - interval '1 second' WHERE job = ANY ($1)`, [
      jobs,
    ]);
  const movesAt = async (pool: string) =>
    (await bench.rows<{ job: string }>('SELECT job FROM tickets WHERE pool = $1 ORDER BY accepted_at, id', pool)).map(
      ({ job }) => job,
    );

  test('its line takes nobody the room who has to leave another one', async () => {
    const [from, to] = [await bench.addPool(), await bench.addPool({ outstandingMax: 50 })];
    const moves = await routed({ from, to });
    // In line before the pass that puts it aside, and after.
    const wish = { pool: to, tenant: 'alpha', count: 150, target: { name: `vendor/${to}` } };
    await bench.accept(wish);
    await bench.grant({ startSlots: () => 0 });
    await pause({ kind: 'tenant', subject: 'alpha' });
    await pause({ kind: 'target', subject: `vendor/${from}`, drains: true });
    expect(await bench.grant()).toBe(0);
    await bench.accept(wish);
    expect(await spill()).toBe(1);
    expect(await movesAt(to)).toContain(moves);
  });

  test('others who wait there, and have only just come, still do', async () => {
    const [from, to] = [await bench.addPool(), await bench.addPool({ outstandingMax: 10 })];
    await routed({ from, to });
    await pause({ kind: 'target', subject: `vendor/${from}`, drains: true });
    await bench.grant();
    await bench.accept({ pool: to, count: 30, target: { name: `vendor/${to}` } });
    expect(await spill()).toBe(0);
    await bench.grant({ startSlots: () => 0 });
    expect(await spill()).toBe(0);
  });

  test.each(['drain', 'spill'] as const)('nobody of its own is sent elsewhere: %s', async (why) => {
    const [from, to] = [await bench.addPool({ outstandingMax: 1 }), await bench.addPool()];
    await bench.acceptOne({ pool: from, tenant: 'beta', target: { name: `vendor/${from}` } });
    await bench.grant();
    const [held, free] = [await routed({ from, to, tenant: 'alpha' }), await routed({ from, to })];
    await isDue(held, free);
    await pause({ kind: 'tenant', subject: 'alpha' });
    if (why === 'drain') await pause({ kind: 'target', subject: `vendor/${from}`, drains: true });
    await bench.grant();
    expect(await spill()).toBe(1);
    expect([await movesAt(from), await movesAt(to)]).toEqual([[held], [free]]);
    // Nobody is left who may leave.
    expect(await spill()).toBe(0);
    expect(await findSpillSources(bench.pool)).toEqual([]);

    await resume({ kind: 'tenant', subject: 'alpha' });
    await bench.grant();
    await isDue(held);
    expect(await spill()).toBe(1);
  });

  test('its overlap stays too, and those of others go', async () => {
    const [first, from, to] = [await bench.addPool(), await bench.addPool(), await bench.addPool()];
    const jobs = [await routed({ from: first, to: from, tenant: 'alpha' }), await routed({ from: first, to: from })];
    await bench.pool.query(
      `UPDATE jobs SET route = route || jsonb_build_array(jsonb_build_object('name', $2::text, 'pool', $3::text, 'provider', 'vendor'))
       WHERE id = ANY ($1)`,
      [jobs, `vendor/${to}`, to],
    );
    await bench.pool.query(`INSERT INTO targets (pool, name) VALUES ($1, $2)`, [to, `vendor/${to}`]);
    const [held = '', free = ''] = jobs;
    await bench.grant();
    for (const job of jobs) {
      const sql = 'SELECT grant_id::text AS grant FROM permits WHERE job = $1';
      await beginAttempt(bench.pool, beginOrder(job, (await bench.row<{ grant: string }>(sql, job)).grant));
      await queueAttempt(bench.pool, { jobId: job, ticket: { attempt: 2, target: 1, kind: 'overlap' }, waitMs: 0 });
    }
    await pause({ kind: 'tenant', subject: 'alpha' });
    await pause({ kind: 'target', subject: `vendor/${from}`, drains: true });
    expect(await spill()).toBe(1);
    expect([await movesAt(from), await movesAt(to)]).toEqual([[held], [free]]);
    expect(await findSpillSources(bench.pool)).toEqual([]);
  });

  test('as many of its own as there may be, all overdue, are put off piece by piece and hide nobody', async () => {
    const [from, to] = [await bench.addPool({ outstandingMax: 1 }), await bench.addPool()];
    await bench.acceptOne({ pool: from, tenant: 'beta', target: { name: `vendor/${from}` } });
    await bench.grant();
    const count = 3 * limits.heldLeaversLookMax;
    await insertTickets(bench.pool, { pool: from, tenant: 'alpha', count, target: `vendor/${from}` });
    await bench.pool.query(`UPDATE tickets SET spill_at = clock_timestamp() - interval '1 hour' WHERE pool = $1`, [
      from,
    ]);
    await pause({ kind: 'tenant', subject: 'alpha' });
    const free = await routed({ from, to });
    await isDue(free);
    await bench.grant();
    const overdue = async () =>
      (await bench.rows('SELECT 1 FROM tickets WHERE pool = $1 AND spill_at <= clock_timestamp()', from)).length;
    const left = [await overdue()];
    for (let round = 0; round < 4; round += 1) {
      await spill();
      left.push(await overdue());
    }
    expect(left).toEqual([count + 1, ...[2, 1].map((pieces) => pieces * limits.heldLeaversLookMax), 0, 0]);
    expect(await movesAt(to)).toEqual([free]);
  });
});

describe('a pause of a tenant', () => {
  test('hides nobody behind it, saves up no turns, and ends with all of them in line', async () => {
    const pool = await bench.addPool({ outstandingMax: 10_000 });
    const held = await bench.accept({ pool, tenant: 'alpha', count: 20 });
    const served = await bench.accept({ pool, tenant: 'beta', count: 10 });
    await pause({ kind: 'tenant', subject: 'alpha' });
    expect(await bench.grant()).toBe(10);
    expect(await bench.permitted(pool)).toEqual(served);
    expect(await reasonOf(held[0] ?? '')).toBe('waiting_operator');
    await bench.accept({ pool, tenant: 'beta', count: 20 });
    const late = await bench.acceptOne({ pool, tenant: 'alpha' });
    expect(await bench.grant({ startSlots: () => 10 })).toBe(10);

    await resume({ kind: 'tenant', subject: 'alpha' });
    expect(await bench.grant({ startSlots: () => 10 })).toBe(10);
    const now = (await bench.permitted(pool)).slice(20);
    // In turns, as of now: it has not the ten turns that beta had meanwhile.
    expect(now.filter((job) => held.includes(job)).length).toBeGreaterThanOrEqual(4);
    expect(now.filter((job) => held.includes(job)).length).toBeLessThanOrEqual(6);
    expect(await bench.grant()).toBe(21);
    expect(await bench.permitted(pool)).toContain(late);
    expect(await bench.count('held_tenants')).toBe(0);
  });

  test('that is over brings its flows back, though nobody else comes and nobody tells', async () => {
    const pool = await bench.addPool();
    await bench.accept({ pool, tenant: 'alpha', user: 'one', count: 2 });
    await pause({ kind: 'tenant', subject: 'alpha', seconds: 3_600 });
    expect(await bench.grant()).toBe(0);
    expect(await bench.rows('SELECT active, held FROM flows WHERE pool = $1', pool)).toEqual([
      { active: false, held: true },
    ]);
    await endPauses();
    expect(await bench.grant()).toBe(2);
  });

  test('concerns flows that were in line before, and their retries and overlaps', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool, tenant: 'alpha' });
    await bench.grant();
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      job,
    );
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await pause({ kind: 'tenant', subject: 'alpha' });
    await queueAttempt(bench.pool, { jobId: job, ticket: { attempt: 2, target: 0, kind: 'overlap' }, waitMs: 0 });
    expect(await bench.grant()).toBe(0);
    await resume({ kind: 'tenant', subject: 'alpha' });
    expect(await bench.grant()).toBe(1);
  });

  test('is looked for in the line only until all of it is out, and again when it is paused anew', async () => {
    const pool = await bench.addPool();
    const holds = async (): Promise<boolean | undefined> => {
      const connection = await bench.pool.connect();
      try {
        await connection.query('BEGIN');
        const locked = await lockPool(connection, pool);
        await connection.query('ROLLBACK');
        return locked?.hasHolds;
      } finally {
        connection.release();
      }
    };
    const sweptAt = async () =>
      (await bench.rows<{ at: string }>(`SELECT swept_at::text AS at FROM held_tenants WHERE pool = $1`, pool))[0]?.at;
    await bench.accept({ pool, tenant: 'alpha', count: 3 });
    await bench.grant({ startSlots: () => 0 });
    await pause({ kind: 'tenant', subject: 'alpha', seconds: 3_600 });
    await bench.grant();
    const first = await sweptAt();
    expect(first).toMatch(/^\d{4}-/);
    await bench.acceptOne({ pool, tenant: 'alpha', user: 'late' });
    await bench.grant();
    expect(await sweptAt()).toBe(first);
    expect(await bench.rows('SELECT DISTINCT active, held FROM flows WHERE pool = $1', pool)).toEqual([
      { active: false, held: true },
    ]);
    const [use] = (await readPoolUse(bench.pool)).filter((one) => one.pool === pool);
    expect(use?.waiting).toBe(4);

    await pause({ kind: 'tenant', subject: 'alpha', seconds: 3_600 });
    await bench.acceptOne({ pool, tenant: 'alpha', user: 'later' });
    await bench.grant();
    expect(await sweptAt()).not.toBe(first);
    expect(await holds()).toBe(true);
    await endPauses();
    expect(await bench.grant()).toBe(5);
    expect(await holds()).toBe(false);
  });

  test('with a hundred thousand tickets of twenty thousand users in front costs the others next to nothing', async () => {
    const pool = await bench.addPool({ outstandingMax: 100_000 });
    // A server counts for each connection, and tells of it when that says so.
    const single = connectAgain(bench, 1);
    const readsOf = async (): Promise<number> => {
      await single.query('SELECT pg_stat_force_next_flush()');
      return Number((await single.query<{ reads: string }>(readsSql)).rows[0]?.reads);
    };
    const costOf = async (): Promise<number> => {
      await insertTickets(bench.pool, { pool, tenant: 'beta', count: 20, users: 20 });
      const before = await readsOf();
      await bench.grant({ pool: single, startSlots: () => 20 });
      return (await readsOf()) - before;
    };
    await insertTickets(bench.pool, { pool, tenant: 'alpha', count: 100_000, users: 20_000 });
    for (let round = 0; round < 20; round += 1) await bench.grant({ startSlots: () => 0 });
    const { waiting } = await bench.row<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM flows WHERE pool = $1 AND active`,
      pool,
    );
    expect(waiting).toBe(20_000);
    await pause({ kind: 'tenant', subject: 'alpha' });
    // Whoever comes is served by the passes that put the flows in front of them aside, piece by piece.
    for (let round = 0; round < 30; round += 1) {
      await insertTickets(bench.pool, { pool, tenant: 'beta', count: 5, users: 5 });
      await bench.grant();
    }
    expect(
      await bench.row(`SELECT count(*)::int AS left FROM tickets WHERE pool = $1 AND tenant = 'beta'`, pool),
    ).toEqual({ left: 0 });
    await bench.pool.query('ANALYZE flows');
    const costs: number[] = [];
    for (let round = 0; round < 5; round += 1) costs.push(await costOf());
    await single.end();
    expect(Math.min(...costs)).toBeLessThan(2_000);
    expect(
      await bench.row(
        `SELECT count(*)::int AS held FROM permits JOIN jobs ON jobs.id = job WHERE tenant = 'alpha' AND pool = $1`,
        pool,
      ),
    ).toEqual({ held: 0 });
  }, 120_000);
});

/** Index entries of flows that were looked at by all. */
const readsSql = `SELECT coalesce(sum(idx_tup_read), 0)::text AS reads FROM pg_stat_user_indexes WHERE relname = 'flows'`;

describe('limits that were overridden', () => {
  const override = (pool: string, limits: { outstandingMax?: number; perMinuteMax?: number }) =>
    overrideLimits(bench.pool, {
      pool,
      outstandingMax: limits.outstandingMax ?? null,
      perMinuteMax: limits.perMinuteMax ?? null,
      seconds: 3_600,
      ...signed,
    });

  test('hold at once, below what is out already, and outlive a start with the catalogue', async () => {
    const pool = await bench.addPool({ outstandingMax: 10 });
    await bench.accept({ pool, count: 30 });
    expect(await bench.grant()).toBe(10);
    expect(await override(pool, { outstandingMax: 3 })).toBe('done');
    await bench.pool.query(
      'DELETE FROM permits WHERE pool = $1 AND job IN (SELECT job FROM permits WHERE pool = $1 LIMIT 6)',
      [pool],
    );
    expect(await bench.grant()).toBe(0);
    await upsertPools(bench.pool, [{ id: pool, provider: 'vendor', outstandingMax: 10, perMinuteMax: 600_000 }]);
    await bench.pool.query(
      'DELETE FROM permits WHERE pool = $1 AND job IN (SELECT job FROM permits WHERE pool = $1 LIMIT 2)',
      [pool],
    );
    expect(await bench.grant()).toBe(1);
    const [seen] = (await readPoolControls(bench.pool)).filter((one) => one.pool === pool);
    expect(seen).toMatchObject({
      outstandingMax: 10,
      workingMax: 3,
      held: 3,
      override: { outstandingMax: 3, actor: 'ann' },
    });

    expect(await clearLimits(bench.pool, { pool, ...signed })).toBe('done');
    expect(await bench.grant()).toBe(7);
    expect(await clearLimits(bench.pool, { pool, ...signed })).toBe('absent');
  });

  test('expire by themselves, and what the account was learned to bear holds again', async () => {
    const pool = await bench.addPool({ outstandingMax: 100 });
    await bench.accept({ pool, count: 40 });
    // The account has refused at more than 20.
    await bench.pool.query(
      `UPDATE pools SET learned = jsonb_build_object('outstanding', jsonb_build_object('dimension', 'outstanding',
         'configured', 100, 'working', 20, 'held', 19, 'ceiling', 21, 'step', 0.01, 'pausedUntil', 0,
         'cutAt', $2::float8, 'growAt', $2::float8 + 3600000, 'probeDelayMs', 60000)) WHERE id = $1`,
      [pool, Date.now()],
    );
    await override(pool, { outstandingMax: 5 });
    expect(await bench.grant()).toBe(5);
    await bench.pool.query(`UPDATE limit_overrides SET expires_at = clock_timestamp() WHERE pool = $1`, [pool]);
    expect(await bench.grant()).toBe(15);
  });

  test('above what the account bears begin at that, and climb with what is used', async () => {
    const pool = await bench.addPool({ outstandingMax: 4 });
    await bench.accept({ pool, count: 40 });
    expect(await bench.grant()).toBe(4);
    await override(pool, { outstandingMax: 16 });
    expect(await bench.grant()).toBe(0);
    // The moment of growth, without waiting for it.
    const ripen = () =>
      bench.pool.query(`UPDATE pools SET learned = jsonb_set(learned, '{outstanding,growAt}', '0') WHERE id = $1`, [
        pool,
      ]);
    const granted: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      await ripen();
      granted.push(await bench.grant());
    }
    expect(granted.reduce((sum, count) => sum + count, 0)).toBe(12);
    expect((await bench.permitted(pool)).length).toBe(16);
  });

  test('of the rate space the starts', async () => {
    const pool = await bench.addPool({ perMinuteMax: 600_000 });
    await bench.accept({ pool, count: 50 });
    await override(pool, { perMinuteMax: 60 });
    // A start a second, and those of the grant horizon.
    expect(await bench.grant()).toBeLessThanOrEqual(2);
    expect(
      await overrideLimits(bench.pool, { pool: 'none', outstandingMax: 1, perMinuteMax: null, seconds: 60, ...signed }),
    ).toBe('unknown');
  });
});

test('once a pause has answered, no process grants any more, however many are about it', async () => {
  const pool = await bench.addPool({ outstandingMax: 1_000_000 });
  await insertTickets(bench.pool, { pool, count: 4_000, users: 7 });
  const processes = [connectAgain(bench), connectAgain(bench)];
  let isOver = false;
  const granting = processes.map(async (connections) => {
    while (!isOver) await bench.grant({ pool: connections, startSlots: () => 5 });
  });
  try {
    for (const kind of ['pool', 'tenant', 'target'] as const) {
      const subject = { pool, tenant: 'default', target: 'vendor/model' }[kind];
      expect(await pause({ kind, subject })).toBe('done');
      const before = await bench.permitted(pool);
      for (let round = 0; round < 5; round += 1) await bench.grant();
      expect(await bench.permitted(pool)).toEqual(before);
      await resume({ kind, subject });
      await expect
        .poll(async () => (await bench.permitted(pool)).length, { timeout: 20_000 })
        .toBeGreaterThan(before.length);
    }
  } finally {
    isOver = true;
    await Promise.all(granting);
    await Promise.all(processes.map((connections) => connections.end()));
  }
}, 60_000);

test('a process that dies between the order and its commit leaves nothing of it', async () => {
  const pool = await bench.addPool();
  const job = await bench.acceptOne({ pool });
  const other = connectAgain(bench, 1);
  const connection = await other.connect();
  await connection.query('BEGIN');
  await connection.query(`SELECT pause_subject('pool', $1, false, NULL, 'ann', 'a test', NULL)`, [pool]);
  // It has the pool's lock: nobody grants meanwhile, and nobody waits.
  expect(await bench.grant()).toBe(0);
  const { pid } = (await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0] ?? { pid: 0 };
  connection.on('error', () => undefined);
  await bench.pool.query('SELECT pg_terminate_backend($1)', [pid]);
  connection.release(true);
  await other.end();
  await expect.poll(async () => await bench.grant(), { timeout: 10_000 }).toBe(1);
  expect(await bench.permitted(pool)).toEqual([job]);
  expect(await bench.rows('SELECT 1 FROM operator_actions WHERE subject = $1', pool)).toEqual([]);
});
