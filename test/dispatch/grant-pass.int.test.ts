import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { inTransaction } from '../../src/db/pool.ts';
import { setSpendCap } from '../../src/db/scheduler/pools.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import type { WaitReason } from '../../src/domain/grants.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query('DELETE FROM tickets; DELETE FROM arrivals; DELETE FROM flows');
});

/** A job whose first attempt the vendor has, as it holds its permit. */
async function begin(job: string): Promise<void> {
  const { grant } = await bench.row<{ grant: string }>(
    'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
    job,
  );
  expect(await beginAttempt(bench.pool, beginOrder(job, grant))).toMatchObject({ verdict: 'go' });
}

const refuse = (jobId: string) =>
  endAttempt(bench.pool, {
    jobId,
    attempt: 1,
    evidence: 'refusal',
    outcome: 'failed',
    failure: failureOf('auth'),
  });

const queue = (jobId: string, { kind = 'retry', waitMs = 0 }: { kind?: 'retry' | 'overlap'; waitMs?: number } = {}) =>
  queueAttempt(bench.pool, { jobId, ticket: { attempt: 2, target: 0, kind }, waitMs });

describe('the order of the line', () => {
  test('is the class, and in it the order of acceptance', async () => {
    const pool = await bench.addPool();
    const low = await bench.acceptOne({ pool, priority: 'low' });
    const normal = await bench.accept({ pool, count: 3 });
    const high = await bench.acceptOne({ pool, priority: 'high' });
    const late = await bench.acceptOne({ pool });
    expect(await bench.grant()).toBe(6);
    expect(await bench.permitted(pool)).toEqual([high, ...normal, late, low]);
  });

  test('has a retry at its head, and an overlap at its end', async () => {
    const pool = await bench.addPool();
    const [failed, overlapped] = [await bench.acceptOne({ pool }), await bench.acceptOne({ pool })];
    await bench.grant();
    await begin(failed);
    await begin(overlapped);
    const fresh = await bench.acceptOne({ pool, priority: 'low' });
    const fresher = await bench.acceptOne({ pool });
    await queue(overlapped, { kind: 'overlap' });
    await refuse(failed);
    await queue(failed);
    const held = await bench.permitted(pool);
    expect(held).toEqual([overlapped]);
    expect(await bench.grant()).toBe(4);
    expect((await bench.permitted(pool)).slice(1)).toEqual([failed, fresher, fresh, overlapped]);
  });

  test('overlaps draw on a budget that ordinary grants fill', async () => {
    const pool = await bench.addPool();
    const slow = await bench.accept({ pool, count: 3 });
    await bench.grant();
    for (const job of slow) await begin(job);
    // A budget that was just spent down to one token; it refills by itself only after a minute.
    await bench.pool.query('UPDATE pools SET overlap_tokens = 1, overlap_at = clock_timestamp() WHERE id = $1', [pool]);
    for (const job of slow) await queue(job, { kind: 'overlap' });

    let reasons: ReadonlyMap<WaitReason, number> = new Map();
    const onPassedOver = (_pool: string, told: ReadonlyMap<WaitReason, number>) => (reasons = told);
    expect(await bench.grant({ onPassedOver })).toBe(1);
    expect([...reasons]).toEqual([['failover_budget', 2]]);
    expect(await bench.grant()).toBe(0);

    await bench.accept({ pool, count: 11 });
    // Eleven fresh jobs earn 1.1 tokens: one of the two overlaps goes with them.
    expect(await bench.grant()).toBe(12);
    expect(await bench.row('SELECT count(*)::int AS count FROM tickets WHERE pool = $1', pool)).toEqual({ count: 1 });
  });

  test('overlaps that can’t go hide none behind them that can', async () => {
    const pool = await bench.addPool();
    const slow = await bench.accept({ pool, count: 3 });
    await bench.grant();
    for (const job of slow) await begin(job);
    for (const job of slow) await queue(job, { kind: 'overlap' });
    const [, , last = ''] = slow;
    await bench.pool.query(`UPDATE tickets SET target_name = 'vendor/other' WHERE job <> $1 AND pool = $2`, [
      last,
      pool,
    ]);
    await bench.pool.query(`INSERT INTO targets (pool, name, admits) VALUES ($1, 'vendor/other', 0)`, [pool]);
    await bench.pool.query('UPDATE pools SET overlap_tokens = 1, overlap_at = clock_timestamp() WHERE id = $1', [pool]);
    expect(await bench.grant({ startSlots: () => 1 })).toBe(1);
    expect(await bench.count('tickets', last)).toBe(0);
  });

  test('passes over a ticket whose time has not come', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool });
    await bench.grant();
    await begin(job);
    await refuse(job);
    await queue(job, { waitMs: 3_600_000 });
    const behind = await bench.acceptOne({ pool });
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([behind]);
    await bench.pool.query('UPDATE tickets SET not_before = clock_timestamp() WHERE job = $1', [job]);
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([behind, job]);
  });
});

describe('the limits of the account', () => {
  test('a release is the next grant, and a zombie is no release', async () => {
    const pool = await bench.addPool({ outstandingMax: 2 });
    const [sent = '', waiting = '', third = ''] = await bench.accept({ pool, count: 3 });
    expect(await bench.grant()).toBe(2);
    await begin(sent);
    await settleJob(bench.pool, sent, { phase: 'cancelled' });
    expect(await bench.grant()).toBe(0);
    await settleJob(bench.pool, waiting, { phase: 'cancelled' });
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([sent, third]);
  });

  test('starts are smooth: never closer than the interval, never more than the rate in a second', async () => {
    const pool = await bench.addPool({ perMinuteMax: 600 });
    await bench.accept({ pool, count: 16 });
    await expect
      .poll(async () => (await bench.grant(), (await bench.permitted(pool)).length), { interval: 5, timeout: 10_000 })
      .toBe(16);
    const permits = await bench.rows<{ at: number }>(
      'SELECT extract(epoch FROM start_at)::float8 * 1000 AS at FROM permits WHERE pool = $1 ORDER BY start_at',
      pool,
    );
    const starts = permits.map(({ at }) => at);
    const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(99.9);
    const inTheSecondFrom = (from: number) => starts.filter((at) => at >= from && at < from + 1_000).length;
    expect(Math.max(...starts.map(inTheSecondFrom))).toBeLessThanOrEqual(10);
  });

  test('one that hangs does not fill the workers: submits without an answer are bounded', async () => {
    const pool = await bench.addPool();
    const jobs = await bench.accept({ pool, count: 5 });
    expect(await bench.grant({ submittingMax: 2 })).toBe(2);
    expect(await bench.grant({ submittingMax: 2 })).toBe(0);
    await begin(jobs[0] ?? '');
    expect(await bench.grant({ submittingMax: 2 })).toBe(0);
    await bench.pool.query(`SELECT answer_attempt($1, 1, 'accepted', 'op-hang-1')`, [jobs[0]]);
    expect(await bench.grant({ submittingMax: 2 })).toBe(1);
    // Whoever died in the middle of a submit is answered by the one who asks again.
    await begin(jobs[1] ?? '');
    await beginAttempt(bench.pool, beginOrder(jobs[1] ?? '', '0'));
    expect(await bench.grant({ submittingMax: 2 })).toBe(1);
  });

  test('a process grants no more than it can start', async () => {
    const pool = await bench.addPool();
    await bench.accept({ pool, count: 5 });
    expect(await bench.grant({ startSlots: () => 3 })).toBe(3);
    expect(await bench.grant({ startSlots: () => 0 })).toBe(0);
    expect(await bench.grant({ startSlots: () => 3 })).toBe(2);
  });
});

describe('mail that does not arrive', () => {
  test('stops the grants of its pool until it has', async () => {
    const pool = await bench.addPool({ perMinuteMax: 60 });
    await bench.accept({ pool, count: 6 });
    const refill = () => bench.pool.query(`UPDATE pools SET next_start_at = '-infinity' WHERE id = $1`, [pool]);
    for (let granted = 0; granted < 3; granted += 1) {
      expect(await bench.grant()).toBe(1);
      await refill();
    }
    await bench.pool.query(`UPDATE permits SET start_at = start_at - interval '3 seconds' WHERE pool = $1`, [pool]);
    let reasons: ReadonlyMap<WaitReason, number> = new Map();
    const onPassedOver = (_pool: string, told: ReadonlyMap<WaitReason, number>) => (reasons = told);
    expect(await bench.grant({ onPassedOver })).toBe(0);
    expect([...reasons]).toEqual([['undelivered', 1]]);
    const [first, second] = await bench.permitted(pool);
    await bench.pool.query('DELETE FROM mailbox WHERE job = ANY($1)', [[first, second]]);
    expect(await bench.grant()).toBe(1);
  });
});

/** The same connections, and every statement that is said in their transactions. */
function overheard(connections: pg.Pool): { readonly pool: pg.Pool; readonly said: string[] } {
  const said: string[] = [];
  const listening = (connection: pg.PoolClient): pg.PoolClient =>
    calling(connection, 'query', (query) => {
      const given: unknown = typeof query === 'string' ? query : Reflect.get(Object(query), 'name');
      said.push(String(given).trim().split(/\W/)[0] ?? '');
      return Reflect.apply(Reflect.get(connection, 'query'), connection, [query]);
    });
  const pool = calling(connections, 'connect', async () => listening(await connections.connect()));
  return { pool, said };
}

/** The same object, but for one of its methods. */
function calling<Target extends object>(
  object: Target,
  name: string,
  method: (...given: unknown[]) => unknown,
): Target {
  return new Proxy(object, {
    get(target, property) {
      if (property === name) return method;
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('the trips to the database', () => {
  const trips = ['BEGIN', 'lock_pool', 'fold_arrivals', 'read_holdings', 'read_heads', 'carry_out', 'COMMIT'];

  test('are seven for a grant, and none in a transaction where there is no room', async () => {
    const pool = await bench.addPool({ outstandingMax: 1 });
    await bench.accept({ pool, count: 2 });
    const { pool: connections, said } = overheard(bench.pool);
    expect(await bench.grant({ pool: connections })).toBe(1);
    expect(said.splice(0)).toEqual(trips);
    expect(await bench.grant({ pool: connections })).toBe(0);
    expect(said).toEqual([]);
  });

  test('are two more where there is a cap', async () => {
    const pool = await bench.addPool();
    await bench.acceptOne({ pool });
    await setSpendCap(bench.pool, 1_000_000_000);
    const { pool: connections, said } = overheard(bench.pool);
    expect(await bench.grant({ pool: connections })).toBe(1);
    expect(said).toEqual(trips.toSpliced(2, 0, 'lock_budget', 'fold_refunds'));
    await setSpendCap(bench.pool, null);
  });
});

describe('what a grant leaves behind', () => {
  test('the first word to a job is its start; a job that was shown before is sent its permit', async () => {
    const pool = await bench.addPool();
    const [fresh = '', shown = ''] = await bench.accept({ pool, count: 2 });
    await bench.pool.query('UPDATE jobs SET dispatched_at = clock_timestamp() WHERE id = $1', [shown]);
    await bench.grant();
    const mailOf = (job: string) =>
      bench.row(
        'SELECT m.kind, m.attempt, m.payload, m.not_before = p.start_at AS "inTime" FROM mailbox m JOIN permits p USING (job) WHERE job = $1',
        job,
      );
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1',
      fresh,
    );
    expect(await mailOf(fresh)).toEqual({
      kind: 'start',
      attempt: 1,
      payload: { attempt: 1, target: 0, grant },
      inTime: true,
    });
    expect(await mailOf(shown)).toMatchObject({ kind: 'permit', attempt: 1, inTime: true });
    expect(
      await bench.row('SELECT count(*)::int AS count FROM jobs WHERE id = ANY($1) AND dispatched_at IS NOT NULL', [
        fresh,
        shown,
      ]),
    ).toEqual({ count: 2 });
  });

  test('a job that ends between grant and start keeps no permit', async () => {
    const pool = await bench.addPool({ outstandingMax: 1 });
    const [first = '', second = ''] = await bench.accept({ pool, count: 2 });
    expect(await bench.grant()).toBe(1);
    expect(await requestCancel(bench.pool, { id: first, tenant: 'default' })).toBe('cancelled');
    expect(await bench.count('permits', first)).toBe(0);
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([second]);
  });
});

describe('several dispatchers', () => {
  test('whoever finds the pool taken goes on at once', async () => {
    const pool = await bench.addPool();
    await bench.accept({ pool, count: 3 });
    const other = connectAgain(bench);
    try {
      await inTransaction(other, async (connection) => {
        await connection.query('SELECT 1 FROM pools WHERE id = $1 FOR NO KEY UPDATE', [pool]);
        expect(await bench.grant()).toBe(0);
      });
      expect(await bench.grant()).toBe(3);
    } finally {
      await other.end();
    }
  });

  test('a job that somebody is ending is left to them: nobody waits, nobody deadlocks', async () => {
    const pool = await bench.addPool();
    const [ending = '', other = ''] = await bench.accept({ pool, count: 2 });
    await inTransaction(bench.pool, async (connection) => {
      await connection.query('SELECT 1 FROM jobs WHERE id = $1 FOR NO KEY UPDATE', [ending]);
      expect(await bench.grant()).toBe(1);
      expect(await bench.permitted(pool)).toEqual([other]);
      // As settle_job does after it has locked the job.
      await connection.query('DELETE FROM tickets WHERE job = $1', [ending]);
    });
    expect(await bench.grant()).toBe(0);
  });

  test('a pool where something goes wrong holds up no other, and its error is told', async () => {
    const pools = [await bench.addPool(), await bench.addPool(), await bench.addPool()].toSorted();
    for (const pool of pools) await bench.acceptOne({ pool });
    const [broken = ''] = pools;
    const onPassedOver = (pool: string): void => {
      if (pool === broken) throw new Error('something is wrong here');
    };
    await expect(bench.grant({ onPassedOver })).rejects.toThrow('something is wrong here');
    expect(await Promise.all(pools.map(async (pool) => (await bench.permitted(pool)).length))).toEqual([0, 1, 1]);
  });

  test('a dispatcher whose connection breaks in the middle of a pass is a round that failed, no more', async () => {
    const pool = await bench.addPool();
    await bench.accept({ pool, count: 2 });
    const other = connectAgain(bench);
    try {
      const pass = bench.grant({
        pool: other,
        onPassedOver: () => undefined,
        startSlots: () => {
          throw new Error('stopped in the middle');
        },
      });
      await expect(pass).rejects.toThrow('stopped in the middle');
      const broken = inTransaction(other, async (connection) => {
        const { rows } = await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await bench.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
        await connection.query('SELECT 1');
      });
      await expect(broken).rejects.toThrow(/terminat|connection/i);
      expect(await bench.grant({ pool: other })).toBe(2);
    } finally {
      await other.end();
    }
  });
});
