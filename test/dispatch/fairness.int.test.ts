import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { drawFlowsTogether, forgetIdleFlows } from '../../src/db/scheduler/idle-flows.ts';
import { inTransaction } from '../../src/db/pool.ts';
import { queueAttempt } from '../../src/db/ledger/settle.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';
import { insertTickets } from './ticket-rows.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.pool.query('TRUNCATE tickets, arrivals, flows, shares, lanes, permits, mailbox');
});

interface Granted {
  readonly job: string;
  readonly tenant: string;
  readonly user: string;
  readonly priority: number;
  readonly target: string;
}

/** What is under way ends, and a pass grants the slots anew: one turnover of the pool. */
async function turnOver(pool: string): Promise<readonly Granted[]> {
  await bench.pool.query('DELETE FROM permits WHERE pool = $1', [pool]);
  await bench.grant();
  return await bench.rows<Granted>(
    `SELECT job, jobs.tenant, coalesce(request ->> 'user', '') AS "user", jobs.priority, target_name AS target
     FROM permits JOIN jobs ON jobs.id = permits.job WHERE pool = $1 ORDER BY start_at, grant_id`,
    pool,
  );
}

async function turnOvers(pool: string, count: number): Promise<readonly Granted[]> {
  const granted: Granted[] = [];
  for (let round = 0; round < count; round += 1) granted.push(...(await turnOver(pool)));
  return granted;
}

function countBy(granted: readonly Granted[], keyOf: (grant: Granted) => string | number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const grant of granted) counts[keyOf(grant)] = (counts[keyOf(grant)] ?? 0) + 1;
  return counts;
}

/** A pool, every slot of which is taken, and a line that has been served for a while. */
async function busyPool(slots: number): Promise<string> {
  const pool = await bench.addPool({ outstandingMax: slots });
  await insertTickets(bench.pool, { pool, tenant: 'a', count: 20_000 });
  await turnOvers(pool, 20);
  return pool;
}

describe('tenants', () => {
  test('20,000 jobs of one delay a single job of another by at most two turnovers of the slots', async () => {
    const pool = await busyPool(10);
    const turnovers: number[] = [];
    for (let time = 0; time < 5; time += 1) {
      const job = await bench.acceptOne({ pool, tenant: 'b' });
      let waited = 1;
      while (!(await turnOver(pool)).some((grant) => grant.job === job)) waited += 1;
      turnovers.push(waited);
    }
    expect(Math.max(...turnovers)).toBeLessThanOrEqual(2);
  });

  test('with thousands of users delay the single job of another no more than with one, nor a further user of their own by a round', async () => {
    const pool = await bench.addPool({ outstandingMax: 10 });
    await insertTickets(bench.pool, { pool, tenant: 'a', count: 4_000, users: 2_000 });
    await turnOvers(pool, 3);
    const single = await bench.acceptOne({ pool, tenant: 'b' });
    const served = await turnOvers(pool, 2);
    expect(served.map(({ job }) => job)).toContain(single);
    expect(new Set(served.map(({ user }) => user)).size).toBe(20);
  });

  test('have their share again when most of their users have left', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    await insertTickets(bench.pool, { pool, tenant: 'a', count: 2_000, users: 1_000 });
    await insertTickets(bench.pool, { pool, tenant: 'b', count: 1_000 });
    await turnOver(pool);
    await bench.pool.query(`DELETE FROM tickets WHERE pool = $1 AND tenant = 'a' AND right(caller, 1) <> '7'`, [pool]);
    await turnOver(pool);
    expect(await drawFlowsTogether(bench.pool)).toBe(1);
    expect(countBy(await turnOvers(pool, 4), ({ tenant }) => tenant)).toEqual({ a: 40, b: 40 });
    expect(await drawFlowsTogether(bench.pool)).toBe(0);
  });

  test('share equally, and keep their share when they cancel the older half of their line', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    const jobs = await bench.accept({ pool, tenant: 'a', count: 600 });
    await bench.accept({ pool, tenant: 'b', count: 600 });
    expect(countBy(await turnOvers(pool, 5), ({ tenant }) => tenant)).toEqual({ a: 50, b: 50 });
    await Promise.all(jobs.slice(50, 325).map((id) => requestCancel(bench.pool, { id, tenant: 'a' })));
    expect(countBy(await turnOvers(pool, 10), ({ tenant }) => tenant)).toEqual({ a: 100, b: 100 });
  });

  test('hoard nothing while they do not wait', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    await bench.accept({ pool, tenant: 'idle' });
    await bench.accept({ pool, tenant: 'busy', count: 800 });
    await turnOvers(pool, 20);
    await bench.accept({ pool, tenant: 'idle', count: 200 });
    const { idle = 0, busy = 0 } = countBy(await turnOvers(pool, 5), ({ tenant }) => tenant);
    expect(Math.abs(idle - busy)).toBeLessThanOrEqual(2);
  });

  test('share by their weight, as it is now', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    await bench.pool.query(`INSERT INTO tenants (id, weight) VALUES ('heavy', 3)`);
    for (const tenant of ['heavy', 'light']) await bench.accept({ pool, tenant, count: 300 });
    expect(countBy(await turnOvers(pool, 4), ({ tenant }) => tenant)).toEqual({ heavy: 60, light: 20 });
    await bench.pool.query(`UPDATE tenants SET weight = 1 WHERE id = 'heavy'`);
    const { heavy = 0, light = 0 } = countBy(await turnOvers(pool, 4), ({ tenant }) => tenant);
    expect(Math.abs(heavy - light)).toBeLessThanOrEqual(2);
  });

  test('300 users of one share equally, and each is served in the order of its jobs', async () => {
    const pool = await bench.addPool({ outstandingMax: 50 });
    await insertTickets(bench.pool, { pool, tenant: 'a', count: 3_000, users: 300 });
    const granted = await turnOvers(pool, 30);
    const counts = Object.values(countBy(granted, ({ user }) => user));
    expect([counts.length, Math.min(...counts), Math.max(...counts)]).toEqual([300, 5, 5]);
    const outOfOrder = await bench.rows(
      `SELECT request ->> 'user' AS "user" FROM jobs WHERE route -> 0 ->> 'pool' = $1 GROUP BY 1
       HAVING max(accepted_at) FILTER (WHERE dispatched_at IS NOT NULL) > min(accepted_at) FILTER (WHERE dispatched_at IS NULL)`,
      pool,
    );
    expect(outOfOrder).toEqual([]);
  });
});

test('classes share 64 to 8 to 1 while all of them wait, and the last is served however long the others are', async () => {
  const pool = await bench.addPool({ outstandingMax: 50 });
  for (const priority of [2, 1, 0]) await insertTickets(bench.pool, { pool, priority, count: 2_000 });
  const granted = await turnOvers(pool, 44);
  const counts = countBy(granted, ({ priority }) => priority);
  const share = granted.length / 73;
  expect(Math.abs((counts['0'] ?? 0) - 64 * share)).toBeLessThanOrEqual(2);
  expect(Math.abs((counts['1'] ?? 0) - 8 * share)).toBeLessThanOrEqual(2);
  expect(Math.abs((counts['2'] ?? 0) - share)).toBeLessThanOrEqual(2);
});

describe('targets of one pool', () => {
  test('a line whose target is left alone holds up nobody, and earns no credit for it', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    await insertTickets(bench.pool, { pool, tenant: 'a', target: 'vendor/ill', priority: 0, count: 2_000 });
    await insertTickets(bench.pool, { pool, tenant: 'b', target: 'vendor/well', count: 2_000 });
    await turnOver(pool);
    await bench.pool.query(`UPDATE targets SET admits = 0 WHERE name = 'vendor/ill'`);
    const shunned = await turnOvers(pool, 30);
    expect(countBy(shunned, ({ target }) => target)).toEqual({ 'vendor/well': 600 });
    expect(await bench.row(`SELECT wait_reason FROM targets WHERE name = 'vendor/ill'`)).toEqual({
      wait_reason: 'breaker',
    });
    await bench.pool.query(`UPDATE targets SET admits = NULL WHERE name = 'vendor/ill'`);
    // Of its own class it has 64 shares against 8, and no more than those.
    const { 'vendor/well': well = 0 } = countBy(await turnOvers(pool, 9), ({ target }) => target);
    expect(well).toBeGreaterThanOrEqual(18);
  });

  test('one with slots of its own takes those, and leaves the rest', async () => {
    const pool = await bench.addPool({ outstandingMax: 20 });
    await insertTickets(bench.pool, { pool, tenant: 'a', target: 'vendor/few', count: 500 });
    await insertTickets(bench.pool, { pool, tenant: 'b', target: 'vendor/many', count: 500 });
    await turnOver(pool);
    await bench.pool.query(`UPDATE targets SET outstanding_max = 3 WHERE name = 'vendor/few'`);
    expect(countBy(await turnOver(pool), ({ target }) => target)).toEqual({ 'vendor/few': 3, 'vendor/many': 17 });
  });
});

describe('nobody is stranded', () => {
  test('a job that somebody was busy with, and then let go, is served afterwards', async () => {
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool });
    await inTransaction(bench.pool, async (connection) => {
      await connection.query('SELECT 1 FROM jobs WHERE id = $1 FOR NO KEY UPDATE', [job]);
      expect(await bench.grant()).toBe(0);
    });
    expect(await bench.grant()).toBe(1);
    expect(await bench.permitted(pool)).toEqual([job]);
  });

  test('a retry that comes back stands where its job stood', async () => {
    const pool = await bench.addPool({ outstandingMax: 1 });
    const [failed, ...others] = [
      await bench.acceptOne({ pool }),
      await bench.acceptOne({ pool }),
      await bench.acceptOne({ pool }),
    ];
    await bench.grant();
    await bench.pool.query('DELETE FROM permits WHERE job = $1', [failed]);
    const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
    await queueAttempt(bench.pool, { jobId: failed, ticket, waitMs: 3_600_000 });
    expect((await turnOver(pool)).map(({ job }) => job)).toEqual([others[0]]);
    await bench.pool.query('UPDATE tickets SET not_before = clock_timestamp() WHERE job = $1', [failed]);
    expect((await turnOver(pool)).map(({ job }) => job)).toEqual([failed]);
    expect((await turnOver(pool)).map(({ job }) => job)).toEqual([others[1]]);
  });

  test('a campaign of thousands of users that is cancelled holds up nobody behind it', async () => {
    const pool = await bench.addPool({ outstandingMax: 1 });
    await insertTickets(bench.pool, { pool, tenant: 'campaign', count: 3_000, users: 3_000 });
    await bench.acceptOne({ pool, tenant: 'campaign' });
    await turnOver(pool);
    const patient = await bench.acceptOne({ pool, tenant: 'patient' });
    await bench.pool.query(`DELETE FROM tickets WHERE tenant = 'campaign'`);
    let passes = 1;
    while (!(await turnOver(pool)).some(({ job }) => job === patient)) passes += 1;
    expect(passes).toBeLessThanOrEqual(3);
  });
});

test('the counts of the line agree with the line, whatever came and went', async () => {
  const pool = await bench.addPool({ outstandingMax: 30 });
  const jobs = await bench.accept({ pool, count: 200, user: 'ann' });
  await insertTickets(bench.pool, { pool, count: 500, users: 40 });
  await turnOvers(pool, 3);
  await Promise.all(jobs.slice(50, 90).map((id) => requestCancel(bench.pool, { id, tenant: 'default' })));
  await turnOvers(pool, 3);
  const wrong = await bench.rows(
    `SELECT tenant, caller, waiting, line.count FROM flows CROSS JOIN LATERAL (
       SELECT count(*)::int AS count FROM tickets
       WHERE tickets.pool = flows.pool AND tickets.target_name = flows.target_name AND tickets.priority = flows.class
         AND tickets.tenant = flows.tenant AND tickets.caller = flows.caller) AS line
     WHERE flows.pool = $1 AND (waiting <> line.count OR active <> (line.count > 0))`,
    pool,
  );
  expect(wrong).toEqual([]);
});

test('never more than the limit: four processes that grant and release, and one that looks', async () => {
  const slots = 40;
  const pool = await bench.addPool({ outstandingMax: slots });
  await insertTickets(bench.pool, { pool, count: 3_000, users: 100 });
  const others = Array.from({ length: 6 }, () => connectAgain(bench));
  const [sampler, releaser, ...granting] = others;
  if (!sampler || !releaser) throw new Error('no connections');
  const seen = { most: 0, samples: 0 };
  const left = async () => (await bench.count('tickets')) > 0;
  try {
    await Promise.all([
      ...granting.map(async (connections) => {
        while (await left()) await bench.grant({ pool: connections });
      }),
      (async () => {
        while (await left())
          await releaser.query('DELETE FROM permits WHERE job IN (SELECT job FROM permits LIMIT 15)');
      })(),
      (async () => {
        while (await left()) {
          const { rows } = await sampler.query<{ held: number }>('SELECT count(*)::int AS held FROM permits');
          seen.most = Math.max(seen.most, rows[0]?.held ?? 0);
          seen.samples += 1;
        }
      })(),
    ]);
  } finally {
    await Promise.all(others.map((connections) => connections.end()));
  }
  expect(seen.samples).toBeGreaterThan(50);
  expect(seen.most).toBeLessThanOrEqual(slots);
  expect(seen.most).toBeGreaterThan(slots / 2);
});

describe('the clock of the database', () => {
  test('set back by an hour it stops neither pool nor target', async () => {
    const pool = await bench.addPool({ perMinuteMax: 600 });
    await bench.accept({ pool, count: 4 });
    await bench.grant({ startSlots: () => 1 });
    await bench.pool.query(
      `UPDATE pools SET next_start_at = clock_timestamp() + interval '1 hour' WHERE id = '${pool}';
       UPDATE targets SET next_start_at = clock_timestamp() + interval '1 hour', per_minute_max = 600 WHERE pool = '${pool}'`,
    );
    expect(await bench.grant()).toBe(3);
    const furthest = await bench.row<{ ms: number }>(
      `SELECT (extract(epoch FROM max(start_at) - clock_timestamp()) * 1000)::float8 AS ms FROM permits WHERE pool = $1`,
      pool,
    );
    expect(furthest.ms).toBeLessThan(1_000);
  });
});

describe('flows that nobody waits in', () => {
  const flowsOf = async (pool: string) => (await bench.rows('SELECT caller FROM flows WHERE pool = $1', pool)).length;

  test('are forgotten when their class is empty', async () => {
    const pool = await bench.addPool();
    await insertTickets(bench.pool, { pool, count: 300, users: 300 });
    while ((await bench.grant()) > 0);
    expect(await flowsOf(pool)).toBe(300);
    expect(await forgetIdleFlows(bench.pool)).toBeGreaterThanOrEqual(300);
    expect(await flowsOf(pool)).toBe(0);
  });

  test('that were served are forgotten, and have no turn before those that were not', async () => {
    const pool = await bench.addPool({ outstandingMax: 10 });
    await insertTickets(bench.pool, { pool, count: 30, users: 30 });
    await turnOver(pool);
    await forgetIdleFlows(bench.pool);
    expect(await flowsOf(pool)).toBe(20);
    await insertTickets(bench.pool, { pool, count: 60, users: 30 });
    const served = new Set((await turnOvers(pool, 2)).map(({ user }) => user));
    expect(served.size).toBe(20);
  });

  test('are forgotten once their class has moved past them, and those that wait stay', async () => {
    const pool = await bench.addPool({ outstandingMax: 10 });
    await bench.accept({ pool, count: 3, user: 'gone' });
    await bench.accept({ pool, count: 500, user: 'here' });
    await turnOvers(pool, 3);
    expect(await forgetIdleFlows(bench.pool)).toBe(1);
    expect(await bench.rows('SELECT caller FROM flows WHERE pool = $1', pool)).toEqual([{ caller: 'here' }]);
  });

  test('are left alone where somebody grants at this moment', async () => {
    const pool = await bench.addPool();
    await bench.acceptOne({ pool });
    await bench.grant();
    const other = connectAgain(bench);
    try {
      await inTransaction(other, async (connection) => {
        await connection.query('SELECT 1 FROM pools WHERE id = $1 FOR NO KEY UPDATE', [pool]);
        expect(await forgetIdleFlows(bench.pool)).toBe(0);
      });
    } finally {
      await other.end();
    }
  });
});
