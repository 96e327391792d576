import { v7 as uuidv7 } from 'uuid';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Acceptor, type AcceptOutcome, createAcceptor } from '../../../src/api/accept/accept-jobs.ts';
import { insertJobs, type NewJob } from '../../../src/db/jobs/accept.ts';
import { requestCancel } from '../../../src/db/jobs/cancel.ts';
import type { Database } from '../../../src/db/pool.ts';
import { foldSpendingRefunds } from '../../../src/db/scheduler/spending.ts';
import { target } from '../../api/api-bench.ts';
import { intercept } from '../intercept.ts';
import { connectAgain } from '../../dispatch/dispatch-bench.ts';
import { createVirtualClockDatabase } from '../../simulation/virtual-clock-database.ts';
import { auditRecords } from '../../support/auditor.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const price = target.priceUsdMicros ?? 0;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

let tenants = 0;

interface Budgets {
  readonly day?: number | null;
  readonly month?: number | null;
}

/** A tenant of its own, with room for so many videos. */
async function addTenant({ day = null, month = null }: Budgets, pool: Pool = database.pool): Promise<string> {
  tenants += 1;
  const id = `tenant${tenants}`;
  await pool.query(
    'INSERT INTO tenants (id, day_budget_usd_micros, month_budget_usd_micros) VALUES ($1, $2::bigint * $4, $3::bigint * $4)',
    [id, day, month, price],
  );
  return id;
}

function newJob(
  tenant: string,
  overrides: Partial<NewJob> & { key?: string; priceUsdMicros?: number | null } = {},
): NewJob {
  const { key, priceUsdMicros = price, ...rest } = overrides;
  return {
    id: `video_${uuidv7()}`,
    tenant,
    request: { prompt: 'a fox', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' },
    route: [{ ...target, priceUsdMicros }],
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds: 3_600,
    idempotency: key === undefined ? null : { key, fingerprint: 'ab'.repeat(32) },
    ...rest,
  };
}

async function committed(tenant: string, period: 'day' | 'month' = 'day'): Promise<number | undefined> {
  const { rows } = await database.pool.query<{ committed: number }>(
    'SELECT committed_usd_micros::float8 AS committed FROM spending WHERE tenant = $1 AND period = $2 ORDER BY starts_on DESC',
    [tenant, period],
  );
  return rows[0]?.committed;
}

async function soundBooks(): Promise<void> {
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM jobs WHERE finished_at IS NOT NULL');
  expect(await auditRecords({ pool: database.pool, accepted: rows.map(({ id }) => id) })).toEqual([]);
}

function countOf(outcomes: readonly AcceptOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Several processes of the API, each with connections of its own. */
async function withAcceptors<Result>(work: (acceptors: readonly Acceptor[]) => Promise<Result>): Promise<Result> {
  const pools = Array.from({ length: 4 }, () => connectAgain(database));
  try {
    return await work(pools.map((pool) => createAcceptor(pool, () => undefined)));
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
}

const waitMsMax = 30_000;

function submitAll(acceptors: readonly Acceptor[], jobs: readonly NewJob[]): Promise<readonly AcceptOutcome[]> {
  return Promise.all(
    jobs.map((job, index) => {
      const acceptor = acceptors[index % acceptors.length];
      if (acceptor === undefined) throw new Error('no acceptor');
      return acceptor.submit(job, waitMsMax);
    }),
  );
}

describe('at the budget', () => {
  test.each<[string, Budgets]>([
    ['of the day', { day: 137 }],
    ['of the month', { month: 137 }],
    ['of both', { day: 137, month: 500 }],
  ])('1,000 parallel requests to four processes spend all of it and nothing beyond: %s', async (_, budgets) => {
    const tenant = await addTenant(budgets);
    const jobs = Array.from({ length: 1_000 }, () => newJob(tenant));
    const outcomes = await withAcceptors((acceptors) => submitAll(acceptors, jobs));
    expect(countOf(outcomes)).toEqual({ accepted: 137, refused: 863 });
    expect(await committed(tenant)).toBe(137 * price);
    expect(await committed(tenant, 'month')).toBe(137 * price);
    const { rows } = await database.pool.query('SELECT count(*)::int AS jobs FROM jobs WHERE tenant = $1', [tenant]);
    expect(rows).toEqual([{ jobs: 137 }]);
    await soundBooks();
  });

  test('two tenants in the same batches have budgets of their own, and one without a budget is not counted', async () => {
    const [one, other, free] = [await addTenant({ day: 10 }), await addTenant({ day: 300 }), await addTenant({})];
    const jobs = Array.from({ length: 100 }, () => [newJob(one), newJob(other), newJob(free)]).flat();
    const outcomes = await withAcceptors((acceptors) => submitAll(acceptors, jobs));
    expect(countOf(outcomes)).toEqual({ accepted: 210, refused: 90 });
    expect([await committed(one), await committed(other)]).toEqual([10 * price, 100 * price]);
    expect(await committed(free)).toBeUndefined();
    const { rows } = await database.pool.query(
      'SELECT count(reserved_usd_micros)::int AS reserved FROM tickets WHERE tenant = $1',
      [free],
    );
    expect(rows).toEqual([{ reserved: 0 }]);
    await soundBooks();
  });

  test('one key a hundred times at a budget for one is one job and 99 replays, and no refusal', async () => {
    const tenant = await addTenant({ day: 1 });
    const jobs = Array.from({ length: 100 }, () => newJob(tenant, { key: 'same' }));
    const outcomes = await withAcceptors((acceptors) => submitAll(acceptors, jobs));
    expect(countOf(outcomes)).toEqual({ accepted: 1, replayed: 99 });
    expect(await committed(tenant)).toBe(price);
    await soundBooks();
  });

  test('a replay takes no room from whoever comes with it', async () => {
    const tenant = await addTenant({ day: 2 });
    const first = newJob(tenant, { key: 'first' });
    await insertJobs(database.pool, [first]);
    const again = newJob(tenant, { key: 'first' });
    const other = newJob(tenant);
    expect(await insertJobs(database.pool, [again, other])).toMatchObject([{ id: other.id, refusal: null }]);
    expect(await committed(tenant)).toBe(2 * price);
  });

  test('a refusal does not consume the key', async () => {
    const tenant = await addTenant({ day: 0 });
    const job = newJob(tenant, { key: 'later' });
    expect(await insertJobs(database.pool, [job])).toEqual([
      {
        id: job.id,
        acceptedAt: null,
        refusal: {
          kind: 'over_budget',
          period: 'day',
          leftUsdMicros: 0,
          priceUsdMicros: price,
          endsOn: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        },
      },
    ]);
    // A budget that is changed holds from the next statement on.
    await database.pool.query('UPDATE tenants SET day_budget_usd_micros = $2 WHERE id = $1', [tenant, price]);
    expect(await insertJobs(database.pool, [newJob(tenant, { key: 'later' })])).toMatchObject([{ refusal: null }]);
  });

  test('a batch that is written again, because nobody said what became of it, reserves nothing twice', async () => {
    const tenant = await addTenant({ day: 3 });
    const jobs = [newJob(tenant), newJob(tenant), newJob(tenant)];
    expect(await insertJobs(database.pool, jobs)).toHaveLength(3);
    expect(await insertJobs(database.pool, jobs)).toEqual([]);
    expect(await committed(tenant)).toBe(3 * price);
  });

  test('the tries of one request that share an id in one batch are one job', async () => {
    const tenant = await addTenant({ day: 2 });
    const job = newJob(tenant);
    expect(await insertJobs(database.pool, [job, job, newJob(tenant)])).toHaveLength(2);
    expect(await committed(tenant)).toBe(2 * price);
    await soundBooks();
  });

  test('whoever is too dear is refused, and cheaper ones behind are not', async () => {
    const tenant = await addTenant({ day: 3 });
    const prices = [2, 2, 1, 1].map((factor) => newJob(tenant, { priceUsdMicros: factor * price }));
    const answers = await insertJobs(database.pool, prices);
    const refused = new Set(answers.flatMap(({ id, refusal }) => (refusal === null ? [] : [id])));
    expect(prices.map(({ id }) => refused.has(id))).toEqual([false, true, false, true]);
    expect(await committed(tenant)).toBe(3 * price);
  });

  test('what has no price is refused where there is a budget, and accepted where there is none', async () => {
    const job = newJob(await addTenant({ month: 10 }), { priceUsdMicros: null });
    expect(await insertJobs(database.pool, [job])).toMatchObject([{ refusal: { kind: 'price_unknown' } }]);
    const free = newJob(await addTenant({}), { priceUsdMicros: null });
    expect(await insertJobs(database.pool, [free])).toMatchObject([{ id: free.id, refusal: null }]);
  });
});

test('whoever waits for the lock of a budget keeps nobody waiting whose tenant has none', async () => {
  const [held, free] = [await addTenant({ day: 10 }), await addTenant({})];
  await insertJobs(database.pool, [newJob(held)]);
  const holding = await database.pool.connect();
  try {
    await holding.query('BEGIN');
    await holding.query('SELECT 1 FROM spending WHERE tenant = $1 FOR NO KEY UPDATE', [held]);
    await withAcceptors(async ([acceptor]) => {
      const waits = acceptor?.submit({ ...newJob(held), hasBudget: true }, waitMsMax);
      expect(await acceptor?.submit(newJob(free), waitMsMax)).toMatchObject({ kind: 'accepted' });
      await holding.query('ROLLBACK');
      expect(await waits).toMatchObject({ kind: 'accepted' });
    });
  } finally {
    holding.release();
  }
});

describe('what comes back', () => {
  test('a job that is cancelled in line gives its money to the next one at once', async () => {
    const tenant = await addTenant({ day: 2 });
    const jobs = [newJob(tenant), newJob(tenant)];
    await insertJobs(database.pool, jobs);
    for (const { id } of jobs) expect(await requestCancel(database.pool, { id, tenant })).toBe('cancelled');
    await withAcceptors(async (acceptors) => {
      const more = Array.from({ length: 3 }, () => newJob(tenant));
      expect(countOf(await submitAll(acceptors.slice(0, 1), more))).toEqual({ accepted: 2, refused: 1 });
    });
    expect(await committed(tenant)).toBe(2 * price);
    await soundBooks();
  });

  test('is folded in for those who are refused and for nobody else, and where that fails the refusals stand', async () => {
    const [tenant, other] = [await addTenant({ day: 1 }), await addTenant({ day: 1 })];
    const jobs = [newJob(tenant), newJob(other)];
    await insertJobs(database.pool, jobs);
    for (const { id, tenant: owner } of jobs) await requestCancel(database.pool, { id, tenant: owner });
    const broken = intercept(database.pool, async (statement) => {
      if (statement === 'fold_spending_refunds') throw new Error('not now');
    });
    const submit = (db: Database) => createAcceptor(db, () => undefined).submit(newJob(tenant), waitMsMax);
    expect(await submit(broken)).toMatchObject({ kind: 'refused' });
    expect(await submit(database.pool)).toMatchObject({ kind: 'accepted' });
    const { rows } = await database.pool.query('SELECT tenant FROM spending_refunds WHERE tenant = ANY($1)', [
      [tenant, other],
    ]);
    expect(rows).toEqual([{ tenant: other }]);
    await soundBooks();
  });

  test('those who accept, cancel and fold at the same time never let the budget be passed, and the books are right', async () => {
    const tenant = await addTenant({ day: 40, month: 45 });
    await withAcceptors(async (acceptors) => {
      const cycle = async (): Promise<void> => {
        const jobs = Array.from({ length: 20 }, () => newJob(tenant));
        const outcomes = await submitAll(acceptors, jobs);
        const accepted = jobs.filter((_, index) => outcomes[index]?.kind === 'accepted');
        await Promise.all(accepted.map(({ id }) => requestCancel(database.pool, { id, tenant })));
        await foldSpendingRefunds(database.pool);
      };
      const rounds = Array.from({ length: 6 }, async () => {
        for (let round = 0; round < 5; round += 1) await cycle();
      });
      await Promise.all(rounds);
    });
    await soundBooks();
    while (await foldSpendingRefunds(database.pool));
    expect(await committed(tenant)).toBe(0);
    expect(await committed(tenant, 'month')).toBe(0);
  });
});

test('a new day has its own budget within that of the month, and a new month its own', async () => {
  const virtual = await createVirtualClockDatabase();
  try {
    const tenant = await addTenant({ day: 3, month: 5 }, virtual.pool);
    const accept = async (moment: string, count: number): Promise<readonly string[]> => {
      const jobs = Array.from({ length: count }, () => newJob(tenant));
      const answers = await virtual.at(Date.parse(moment), () => insertJobs(virtual.pool, jobs));
      const outcomes = answers.map(({ refusal }) =>
        refusal?.kind === 'over_budget' ? `${refusal.period} ${refusal.endsOn}` : 'fits',
      );
      return outcomes.toSorted((one, other) => (one < other ? -1 : 1));
    };
    expect(await accept('2026-11-29T23:59:59Z', 4)).toEqual(['day 2026-11-30', 'fits', 'fits', 'fits']);
    expect(await accept('2026-11-30T00:00:00Z', 3)).toEqual(['fits', 'fits', 'month 2026-12-01']);
    expect(await accept('2026-12-01T00:00:00Z', 4)).toEqual(['day 2026-12-02', 'fits', 'fits', 'fits']);
    const { rows } = await virtual.pool.query(
      `SELECT period || ' ' || starts_on || ' ' || committed_usd_micros / $1::bigint AS row FROM spending ORDER BY 1`,
      [price],
    );
    expect(rows.map(({ row }) => row)).toEqual([
      'day 2026-11-29 3',
      'day 2026-11-30 2',
      'day 2026-12-01 3',
      'month 2026-11-01 5',
      'month 2026-12-01 3',
    ]);
  } finally {
    await virtual.drop();
  }
});
