import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { insertJobs, type NewJob } from '../../src/db/jobs/accept.ts';
import { answerAttempt, type AttemptEnd, beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { upsertPools } from '../../src/db/scheduler/pools.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import { foldSpendingRefunds } from '../../src/db/scheduler/spending.ts';
import { createSpillPass } from '../../src/dispatch/spill-pass.ts';
import { failureOf } from '../../src/domain/failure.ts';
import type { WaitReason } from '../../src/domain/grants.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import { beginOrder, target } from '../db/ledger/ledger-bench.ts';
import { auditRecords } from '../support/auditor.ts';
import { connectAgain, createDispatchBench, type DispatchBench } from './dispatch-bench.ts';

const price = 500_000;
let bench: DispatchBench;
let pool: string;
beforeAll(async () => {
  bench = await createDispatchBench();
});
beforeEach(async () => {
  pool = await bench.addPool();
});
/** Nobody is left in line for the next test, and what they held is back. */
afterEach(async () => {
  await bench.pool.query(`SELECT settle_job(id, 'cancelled', NULL, NULL) FROM jobs WHERE finished_at IS NULL`);
  await soundBooks();
});
afterAll(() => bench.drop());

let tenants = 0;

/** A tenant of its own that may spend so much in a day. */
async function addTenant(dayBudgetUsdMicros: number | null): Promise<string> {
  tenants += 1;
  const id = `tenant${tenants}`;
  await bench.pool.query('INSERT INTO tenants (id, day_budget_usd_micros) VALUES ($1, $2)', [id, dayBudgetUsdMicros]);
  return id;
}

async function setBudget(tenant: string, usdMicros: number | null): Promise<void> {
  await bench.pool.query('UPDATE tenants SET day_budget_usd_micros = $2 WHERE id = $1', [tenant, usdMicros]);
}

interface Wish {
  readonly tenant: string;
  readonly prices?: readonly (number | null)[];
  readonly bills?: RouteTarget['bills'];
  readonly maxCostUsd?: number;
  readonly route?: readonly Partial<RouteTarget>[];
}

/** A job with a target for each price; the first is the one that it waits for. */
async function accept({ tenant, prices = [price], bills, maxCostUsd, ...wish }: Wish): Promise<string> {
  const priced = prices.map((priceUsdMicros, index) => ({ name: `vendor/model${index}`, priceUsdMicros }));
  const route = (wish.route ?? priced).map((one) => ({
    ...target,
    pool,
    spillAfterMs: 0,
    ...one,
    ...(bills && { bills }),
  }));
  const job: NewJob = {
    id: `video_${uuidv7()}`,
    tenant,
    request: {
      prompt: 'a fox',
      model: 'wan-2.6',
      seconds: 5,
      size: '1280x720',
      priority: 'normal',
      ...(maxCostUsd !== undefined && { max_cost_usd: maxCostUsd }),
    },
    route,
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds: 3_600,
    idempotency: null,
  };
  expect(await insertJobs(bench.pool, [job])).toMatchObject([{ refusal: null }]);
  return job.id;
}

async function begin(job: string, attempt = 1): Promise<void> {
  const { grant } = await bench.row<{ grant: string }>(
    'SELECT grant_id::text AS grant FROM permits WHERE job = $1 AND attempt = $2',
    job,
    attempt,
  );
  expect(await beginAttempt(bench.pool, beginOrder(job, grant, attempt))).toMatchObject({ verdict: 'go' });
  await answerAttempt(bench.pool, { jobId: job, attempt, state: 'accepted', operation: `${job}.${attempt}` });
}

type End = Pick<AttemptEnd, 'outcome'> & Partial<AttemptEnd>;

async function end(job: string, how: End, attempt = 1): Promise<void> {
  const operation = how.evidence === 'refusal' ? {} : { operation: `${job}.${attempt}` };
  expect(await endAttempt(bench.pool, { jobId: job, attempt, evidence: 'check', ...operation, ...how })).toBe(true);
}

const failed: End = { outcome: 'failed', failure: failureOf('provider_failed') };
const finished: End = { outcome: 'finished', videoUrl: 'https://example.com/v.mp4' };

const retryAt = (job: string, index: number, attempt = 2) =>
  queueAttempt(bench.pool, { jobId: job, ticket: { attempt, target: index, kind: 'retry' }, waitMs: 0 });

/** As the spill pass would: the ticket waits for another target of its route. */
async function move(job: string, index: number): Promise<void> {
  await bench.pool.query(
    `UPDATE tickets SET target = $2::int, target_name = jobs.route -> $2::int ->> 'name',
                        price_usd_micros = (jobs.route -> $2::int ->> 'priceUsdMicros')::bigint
     FROM jobs WHERE jobs.id = tickets.job AND job = $1`,
    [job, index],
  );
}

/** What is committed of the day, when everything that came back is folded in. */
async function committed(tenant: string): Promise<number> {
  while (await foldSpendingRefunds(bench.pool));
  const { rows } = await bench.pool.query<{ day: number }>(
    `SELECT committed_usd_micros::float8 AS day FROM spending WHERE tenant = $1 AND period = 'day'`,
    [tenant],
  );
  return rows[0]?.day ?? 0;
}

async function unparkAll(): Promise<void> {
  await bench.pool.query(`UPDATE tickets SET not_before = now() WHERE over_budget`);
}

async function soundBooks(): Promise<void> {
  expect(
    (await auditRecords({ pool: bench.pool, accepted: [] })).filter((one) => /cost|budget|tenant/.test(one)),
  ).toEqual([]);
}

describe('what an attempt that ended came to', () => {
  const moderated: End = { outcome: 'failed', failure: failureOf('moderation') };
  const refusedAtOnce: End = { ...failed, evidence: 'refusal' };
  const stopped: End = { outcome: 'lost', evidence: 'stop' };
  const unheard: End = { outcome: 'lost', evidence: 'longest_duration' };
  const cases: readonly { what: string; how: End; bills?: NonNullable<Wish['bills']>; cost: number }[] = [
    { what: 'a video', how: finished, cost: price },
    { what: 'a failure that is not billed', how: failed, cost: 0 },
    { what: 'a failure that is', how: failed, bills: { failed: 'full' }, cost: price },
    { what: 'a refusal at once', how: refusedAtOnce, bills: { failed: 'full', refused: 'full' }, cost: 0 },
    { what: 'content that was refused', how: moderated, cost: 0 },
    { what: 'content that was refused and is billed', how: moderated, bills: { refused: 'full' }, cost: price },
    { what: 'a stop', how: stopped, cost: price },
    { what: 'a stop in time', how: stopped, bills: { cancelled: 'none' }, cost: 0 },
    { what: 'an end that nobody heard', how: unheard, cost: price },
    { what: 'one that is known not to be billed', how: unheard, bills: { abandoned: 'none' }, cost: 0 },
  ];

  test.each(cases)('$what', async ({ how, bills, cost }) => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant, ...(bills && { bills }) });
    expect(await bench.grant()).toBe(1);
    await begin(job);
    expect(await committed(tenant)).toBe(price);
    await end(job, how);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await committed(tenant)).toBe(cost);
    const booked = await bench.row('SELECT sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE job = $1', job);
    expect(booked).toEqual({ cost });
    await soundBooks();
  });

  test('of an attempt without a price nobody knows the cost, unless it is none', async () => {
    const tenant = await addTenant(null);
    const jobs = [await accept({ tenant, prices: [null] }), await accept({ tenant, prices: [null] })] as const;
    await bench.grant();
    for (const job of jobs) await begin(job);
    await end(jobs[0], finished);
    await end(jobs[1], failed);
    const costs = await bench.rows(
      'SELECT cost_usd_micros AS cost FROM attempts WHERE job = ANY($1) ORDER BY job',
      jobs,
    );
    expect(costs).toEqual([{ cost: null }, { cost: '0' }]);
    expect(await bench.rows('SELECT 1 FROM spending WHERE tenant = $1', tenant)).toEqual([]);
  });
});

describe('the reservation stays with the job', () => {
  test('a retry after a failure that cost nothing needs nothing more, whoever spends the rest meanwhile', async () => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant, prices: [price, price] });
    await bench.grant();
    await begin(job);
    await end(job, failed);
    expect(await committed(tenant)).toBe(price);
    expect(await retryAt(job, 1)).toBe('queued');
    expect(await bench.grant()).toBe(1);
    await begin(job, 2);
    await end(job, finished, 2);
    expect(await committed(tenant)).toBe(price);
    await soundBooks();
  });

  test('a retry after one that is billed waits for room, and goes when there is some', async () => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant, bills: { failed: 'full' } });
    await bench.grant();
    await begin(job);
    await end(job, failed);
    expect(await retryAt(job, 0)).toBe('queued');
    expect(await bench.grant()).toBe(0);
    await setBudget(tenant, 2 * price);
    expect(await bench.grant()).toBe(0);
    await unparkAll();
    expect(await bench.grant()).toBe(1);
    expect(await committed(tenant)).toBe(2 * price);
    await soundBooks();
  });

  test('what is withdrawn while a video is copied is there for the next attempt, and back when the job ends', async () => {
    const tenant = await addTenant(2 * price);
    const job = await accept({ tenant, prices: [price, price] });
    await bench.grant();
    await begin(job);
    const overlap = { attempt: 2, target: 1, kind: 'overlap' } as const;
    expect(await queueAttempt(bench.pool, { jobId: job, ticket: overlap, waitMs: 0 })).toBe('queued');
    expect(await bench.grant()).toBe(1);
    expect(await committed(tenant)).toBe(2 * price);
    await end(job, finished);
    await bench.pool.query(`SELECT begin_asset($1, 1, 'key')`, [job]);
    expect(await bench.count('permits', job)).toBe(0);
    expect(await committed(tenant)).toBe(2 * price);
    await soundBooks();
    await settleJob(bench.pool, job, { phase: 'failed', failure: failureOf('output_expired') });
    expect(await committed(tenant)).toBe(price);
    await soundBooks();
  });

  test('a permit that was never used comes back when its job is cancelled', async () => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant });
    await bench.grant();
    expect(await requestCancel(bench.pool, { id: job, tenant })).toBe('cancelled');
    expect(await committed(tenant)).toBe(0);
    await soundBooks();
  });

  test('a loser that ends after its job comes back by itself', async () => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant });
    await bench.grant();
    await begin(job);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await committed(tenant)).toBe(price);
    await end(job, failed);
    expect(await committed(tenant)).toBe(0);
    await soundBooks();
  });
});

describe('a job that moves to another target', () => {
  test('a dearer one needs the difference, which has to fit; else it goes back to where it is paid for', async () => {
    const tenant = await addTenant(3 * price);
    const jobs = [
      await accept({ tenant, prices: [price, 2 * price] }),
      await accept({ tenant, prices: [price, 2 * price] }),
    ] as const;
    for (const job of jobs) await move(job, 1);
    let reasons: ReadonlyMap<WaitReason, number> = new Map();
    const onPassedOver = (name: string, told: ReadonlyMap<WaitReason, number>) => {
      if (name === pool) reasons = told;
    };
    expect(await bench.grant({ onPassedOver })).toBe(1);
    expect(reasons).toEqual(new Map([['budget', 1]]));
    expect(await committed(tenant)).toBe(3 * price);
    // Neither the line nor its target waits for a budget: only the one does.
    expect(
      await bench.rows('SELECT wait_reason FROM targets WHERE pool = $1 AND wait_reason IS NOT NULL', pool),
    ).toEqual([]);
    expect(await bench.rows('SELECT target, parked FROM tickets WHERE job = ANY($1)', jobs)).toEqual([
      { target: 0, parked: false },
    ]);
    // There it is paid for.
    expect(await bench.grant()).toBe(1);
    expect(await committed(tenant)).toBe(3 * price);
    await soundBooks();
  });

  test('a cheaper one takes less, and the rest comes back with its end', async () => {
    const tenant = await addTenant(2 * price);
    const job = await accept({ tenant, prices: [2 * price, price] });
    await move(job, 1);
    expect(await bench.grant()).toBe(1);
    await begin(job);
    await end(job, finished);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await committed(tenant)).toBe(price);
    await soundBooks();
  });

  test('who waits for the budget of their tenant holds nobody up', async () => {
    const poor = await addTenant(null);
    const rich = await addTenant(null);
    const stuck = await accept({ tenant: poor, prices: [2 * price] });
    await setBudget(poor, price);
    const others = [await accept({ tenant: rich, prices: [price] }), await accept({ tenant: rich, prices: [price] })];
    expect(await bench.grant()).toBe(2);
    expect((await bench.permitted(pool)).toSorted()).toEqual(others.toSorted());
    // Out of the line until it is looked at again: it is not read by every pass.
    expect(await bench.grant()).toBe(0);
    expect(await bench.rows('SELECT parked, over_budget FROM tickets WHERE job = $1', stuck)).toEqual([
      { parked: true, over_budget: true },
    ]);
  });
});

test('those who accept and a pass that raises a reservation of another day wait for each other in one order', async () => {
  const tenant = await addTenant(100 * price);
  const late = await accept({ tenant, prices: [price, 2 * price] });
  await bench.pool.query(`UPDATE jobs SET accepted_at = accepted_at - interval '1 day' WHERE id = $1`, [late]);
  await bench.pool.query(`UPDATE tickets SET accepted_at = accepted_at - interval '1 day' WHERE job = $1`, [late]);
  await bench.pool.query(`UPDATE spending SET starts_on = starts_on - 1 WHERE tenant = $1 AND period = 'day'`, [
    tenant,
  ]);
  await bench.pool.query(
    `UPDATE spending SET starts_on = date_trunc('month', budget_day(now() - interval '1 day')::timestamp)::date
     WHERE tenant = $1 AND period = 'month'`,
    [tenant],
  );
  await move(late, 1);
  await accept({ tenant });
  const accepting = await bench.pool.connect();
  try {
    // Half of an accept: the day of today is held, the month is still to come.
    await accepting.query('BEGIN');
    const holdSql = 'SELECT 1 FROM spending WHERE tenant = $1 AND period = $2 AND starts_on = $3 FOR NO KEY UPDATE';
    const { today } = await bench.row<{ today: string }>('SELECT budget_day(now())::text AS today');
    expect((await accepting.query(holdSql, [tenant, 'day', today])).rowCount).toBe(1);
    expect(await bench.grant()).toBe(2);
    await accepting.query(holdSql, [tenant, 'month', `${today.slice(0, 7)}-01`]);
  } finally {
    await accepting.query('ROLLBACK');
    accepting.release();
  }
  await soundBooks();
});

test('however many wait for their tenant’s budget, whoever is paid for behind them goes', async () => {
  const tenant = await addTenant(null);
  await bench.accept({ pool, count: 1_500, tenant });
  await setBudget(tenant, price);
  const paid = await accept({ tenant, route: [{}] });
  await setBudget(tenant, price - 1);
  for (let pass = 0; pass < 4 && (await bench.permitted(pool)).length === 0; pass += 1) await bench.grant();
  expect(await bench.permitted(pool)).toEqual([paid]);
  await setBudget(tenant, price);
});

test('who can’t be paid for at a dearer target goes back to one that is within what is reserved', async () => {
  const tenant = await addTenant(2 * price);
  const job = await accept({ tenant, prices: [price, 3 * price, price] });
  await bench.grant();
  await begin(job);
  await end(job, failed);
  expect(await retryAt(job, 1)).toBe('queued');
  expect(await bench.grant()).toBe(0);
  expect(await bench.rows('SELECT target, parked, over_budget FROM tickets WHERE job = $1', job)).toEqual([
    { target: 2, parked: false, over_budget: false },
  ]);
  // Its workflow shows it there.
  expect(await bench.rows(`SELECT attempt, payload FROM mailbox WHERE job = $1 AND kind = 'repair'`, job)).toEqual([
    { attempt: 2, payload: { target: 2, refusal: null } },
  ]);
  expect(await bench.grant()).toBe(1);
  expect(await committed(tenant)).toBe(price);
  const moved = await bench.rows(`SELECT data FROM job_events WHERE job = $1 AND kind = 'attempt.moved'`, job);
  expect(moved).toEqual([{ data: { attempt: 2, from: 'vendor/model1', to: 'vendor/model2', reason: 'budget' } }]);
  await soundBooks();
});

describe('the spill pass', () => {
  /** Jobs that may leave their line at once, for a target of another account that asks twice as much. */
  async function acceptToSpill(
    wish: Omit<Wish, 'prices'>,
    count = 1,
  ): Promise<{ job: string; next: string; jobs: readonly string[] }> {
    const next = await bench.addPool();
    const places = [pool, next];
    const route = places.map((place, index) => ({
      pool: place,
      name: `${place}/model`,
      priceUsdMicros: price * (index + 1),
    }));
    await upsertPools(
      bench.pool,
      places.map((id) => {
        const targets = [{ name: `${id}/model`, outstandingMax: null, perMinuteMax: null }];
        return { id, provider: 'vendor', outstandingMax: 1_000, perMinuteMax: 600_000, targets };
      }),
    );
    const jobs: string[] = [];
    for (let index = 0; index < count; index += 1) jobs.push(await accept({ ...wish, route }));
    await bench.grant({ startSlots: () => 0 });
    // Its breakers admit nobody: whoever can leave does.
    await bench.pool.query('UPDATE targets SET admits = 0 WHERE pool = $1', [pool]);
    return { job: jobs[0] ?? '', next, jobs };
  }

  async function spilled(): Promise<readonly string[]> {
    const moves: string[] = [];
    await createSpillPass({ pool: bench.pool, onMoved: ({ to }) => moves.push(to) }).round();
    return moves;
  }

  test('sends a job to a dearer target where its tenant’s budget has room, and where nobody counts', async () => {
    const { next } = await acceptToSpill({ tenant: await addTenant(2 * price) });
    expect(await spilled()).toEqual([`${next}/model`]);
    pool = await bench.addPool();
    const { next: other } = await acceptToSpill({ tenant: await addTenant(null) });
    expect(await spilled()).toEqual([`${other}/model`]);
  });

  test('leaves it where it is paid for, where the budget has none', async () => {
    const { job } = await acceptToSpill({ tenant: await addTenant(2 * price - 1) });
    expect(await spilled()).toEqual([]);
    expect(await bench.rows('SELECT price_usd_micros::int AS price FROM tickets WHERE job = $1', job)).toEqual([
      { price },
    ]);
  });

  test('moves no more than the budget has room for together, and those that stay are served when their target is back', async () => {
    const tenant = await addTenant(11 * price);
    const { jobs, next } = await acceptToSpill({ tenant }, 10);
    expect(await spilled()).toEqual([`${next}/model`]);
    expect(await committed(tenant)).toBe(11 * price);
    await soundBooks();
    expect(await bench.grant()).toBe(1);
    expect(await bench.rows('SELECT 1 FROM tickets WHERE job = ANY($1) AND (parked OR over_budget)', jobs)).toEqual([]);
    await bench.pool.query('UPDATE targets SET admits = NULL WHERE pool = $1', [pool]);
    expect(await bench.grant()).toBe(9);
    expect(await committed(tenant)).toBe(11 * price);
    await soundBooks();
  });

  test('asks again who can’t be paid for elsewhere, when the budget has room', async () => {
    const tenant = await addTenant(2 * price - 1);
    const { job, next } = await acceptToSpill({ tenant });
    expect(await spilled()).toEqual([]);
    await setBudget(tenant, 2 * price);
    expect(
      await bench.rows(`SELECT 1 FROM tickets WHERE job = $1 AND spill_at < 'infinity' AND spill_at > now()`, job),
    ).toHaveLength(1);
    expect(await spilled()).toEqual([`${next}/model`]);
  });

  test('never sends it where it would cost more than it may', async () => {
    await acceptToSpill({ tenant: 'default', maxCostUsd: 0.5 });
    expect(await spilled()).toEqual([]);
  });
});

test('a budget that is set while jobs wait keeps those that nothing was reserved for', async () => {
  const tenant = await addTenant(null);
  const jobs = await bench.accept({ pool, count: 5, tenant });
  await setBudget(tenant, 2 * price);
  expect(await bench.grant()).toBe(2);
  expect(await committed(tenant)).toBe(2 * price);
  await setBudget(tenant, null);
  await unparkAll();
  expect(await bench.grant()).toBe(3);
  for (const id of jobs) await requestCancel(bench.pool, { id, tenant });
  expect(await committed(tenant)).toBe(0);
  await soundBooks();
});

test('racing passes over two pools never commit more than a tenant’s budget', async () => {
  const tenant = await addTenant(null);
  const pools = [await bench.addPool(), await bench.addPool()];
  for (const one of pools) await bench.accept({ pool: one, count: 40, tenant });
  await setBudget(tenant, 10 * price + 1);
  const others = Array.from({ length: 4 }, () => connectAgain(bench));
  try {
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(others.map((connections) => bench.grant({ pool: connections, startSlots: () => 3 })));
      await unparkAll();
    }
    while ((await bench.grant()) > 0);
  } finally {
    await Promise.all(others.map((connections) => connections.end()));
  }
  expect(await bench.rows('SELECT count(*)::int AS count FROM permits WHERE pool = ANY($1)', pools)).toEqual([
    { count: 10 },
  ]);
  expect(await committed(tenant)).toBe(10 * price);
  await soundBooks();
});

describe('max_cost_usd', () => {
  test('a further attempt that would cost more than the job may has no place, and a cheaper one has', async () => {
    const job = await accept({
      tenant: 'default',
      prices: [price, price, price / 2],
      bills: { failed: 'full' },
      maxCostUsd: 0.75,
    });
    await bench.grant();
    await begin(job);
    await end(job, failed);
    expect(await retryAt(job, 1)).toBe('too_dear');
    expect(await bench.count('tickets', job)).toBe(0);
    expect(await retryAt(job, 2)).toBe('queued');
    // Asked again, as by a retry of the activity.
    expect(await retryAt(job, 2)).toBe('queued');
  });

  test('what is under way counts in full, and what has failed for nothing does not count', async () => {
    const job = await accept({ tenant: 'default', prices: [price, price], maxCostUsd: 0.5 });
    await bench.grant();
    await begin(job);
    const overlap = { attempt: 2, target: 1, kind: 'overlap' } as const;
    expect(await queueAttempt(bench.pool, { jobId: job, ticket: overlap, waitMs: 0 })).toBe('too_dear');
    await end(job, failed);
    expect(await retryAt(job, 1)).toBe('queued');
  });

  test('a target of unknown price has no place where the tenant has a budget', async () => {
    const tenant = await addTenant(price);
    const job = await accept({ tenant, prices: [price, null] });
    await bench.grant();
    await begin(job);
    await end(job, failed);
    expect(await retryAt(job, 1)).toBe('too_dear');
  });
});
