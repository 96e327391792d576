import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerAttempt, beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { readDurationsOfTargets } from '../../src/db/scheduler/durations.ts';
import { findTargets, readEvidence } from '../../src/db/scheduler/health.ts';
import { beginWithPinnedPlans } from '../../src/db/scheduler/grants.ts';
import { asOnlyOne } from '../../src/db/only-one.ts';
import { type Database, inTransaction } from '../../src/db/pool.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { type BreakerChange, createHealthWatch, type HealthWatchDeps } from '../../src/dispatch/health-watch.ts';
import { durationAt, readDurations } from '../../src/domain/durations.ts';
import { type AttemptFailureCode, failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { readHealth, type TargetHealth } from '../../src/domain/target-health.ts';
import { beginOrder } from '../db/ledger/ledger-bench.ts';
import { connectAgain, createDispatchBench, type DispatchBench, quiet } from './dispatch-bench.ts';

let bench: DispatchBench;
beforeAll(async () => {
  bench = await createDispatchBench();
});
afterAll(async () => {
  await bench.drop();
});

/** A target of its own for each test, on a pool of its own. */
let pool: string;
let name: string;
beforeEach(async () => {
  pool = await bench.addPool();
  name = `vendor/${randomBytes(4).toString('hex')}`;
  await bench.pool.query('DELETE FROM targets');
  await bench.pool.query('INSERT INTO targets (pool, name) VALUES ($1, $2) ON CONFLICT DO NOTHING', [pool, name]);
});

interface Sent {
  readonly jobId: string;
  readonly attempt: 1;
}

/** A job whose first attempt has its ledger row, and its permit, since that long ago. */
async function send({ agoMs = 1_000, target = name } = {}): Promise<Sent> {
  const jobId = await bench.acceptOne({ pool, target: { name: target } });
  await bench.pool.query('DELETE FROM tickets WHERE job = $1', [jobId]);
  const { grant } = await bench.row<{ grant: string }>(
    `INSERT INTO permits (job, attempt, pool, target, target_name, start_at)
     VALUES ($1, 1, $2, 0, $3, clock_timestamp() - $4 * interval '1 millisecond') RETURNING grant_id::text AS grant`,
    jobId,
    pool,
    target,
    agoMs,
  );
  await beginAttempt(bench.pool, { ...beginOrder(jobId, grant), targetName: target });
  await bench.pool.query(
    `UPDATE attempts SET submitted_at = clock_timestamp() - $2 * interval '1 millisecond' WHERE job = $1`,
    [jobId, agoMs],
  );
  return { jobId, attempt: 1 };
}

async function accepted(settings?: { agoMs?: number; target?: string }): Promise<Sent> {
  const sent = await send(settings);
  await answerAttempt(bench.pool, { ...sent, state: 'accepted', operation: `op-${sent.jobId}` });
  return sent;
}

async function refused(code: AttemptFailureCode, detail: { vendorCode?: string } = {}): Promise<void> {
  const failure = failureOf(code, detail);
  await endAttempt(bench.pool, { ...(await send()), evidence: 'refusal', outcome: 'failed', failure });
}

async function unanswered(failure?: AttemptFailureCode): Promise<void> {
  const sent = await send();
  const why = failure === undefined ? {} : { failure: failureOf(failure) };
  await answerAttempt(bench.pool, { ...sent, state: 'unknown', operation: null, ...why });
}

async function failed(code: AttemptFailureCode): Promise<void> {
  const sent = await accepted();
  await endAttempt(bench.pool, { ...sent, evidence: 'callback', outcome: 'failed', failure: failureOf(code) });
}

async function finished(settings?: { agoMs?: number }): Promise<Sent> {
  const sent = await accepted(settings);
  await endAttempt(bench.pool, { ...sent, evidence: 'callback', outcome: 'finished', videoUrl: 'https://v.example/v' });
  return sent;
}

async function times(count: number, act: () => Promise<unknown>): Promise<void> {
  for (let time = 0; time < count; time += 1) await act();
}

interface Watched {
  readonly changes: readonly BreakerChange[];
  readonly states: readonly BreakerChange[];
  readonly admissions: number;
}

/** One round of a watch that has never watched before. */
async function watchOnce(deps: Partial<HealthWatchDeps> = {}): Promise<Watched> {
  const changes: BreakerChange[] = [];
  let states: readonly BreakerChange[] = [];
  let admissions = 0;
  const watch = createHealthWatch({
    pool: bench.pool,
    typical: new Map([[name, { typicalMs: 60_000, longestMs: 900_000 }]]),
    isHearing: async () => true,
    log: quiet,
    onState: (seen) => (states = seen),
    onChange: (change) => changes.push(change),
    onAdmission: () => (admissions += 1),
    ...deps,
  });
  await watch.round();
  return { changes, states: states.filter(({ target }) => target === name), admissions };
}

const storedTarget = () =>
  bench.row<{ health: unknown; admits: number | null; probing_since: Date | null; durations: unknown }>(
    'SELECT health, admits, probing_since, durations FROM targets WHERE pool = $1 AND name = $2',
    pool,
    name,
  );

async function stateOf(breaker: keyof TargetHealth): Promise<string> {
  return readHealth((await storedTarget()).health)[breaker].state;
}

/** All that a breaker remembers happened that much earlier. */
async function letTimePass(breaker: keyof TargetHealth, ms: number): Promise<void> {
  const health = readHealth((await storedTarget()).health);
  const { since, from } = health[breaker];
  const earlier = { ...health, [breaker]: { ...health[breaker], since: since - ms, from: Math.max(from - ms, 0) } };
  await bench.pool.query('UPDATE targets SET health = $3 WHERE pool = $1 AND name = $2', [pool, name, earlier]);
}

describe('the submit breaker', () => {
  test('opens on POSTs that fail, is stored, told, and admits nobody', async () => {
    await times(3, () => refused('unreachable'));
    const { changes, states, admissions } = await watchOnce();
    expect(changes).toEqual([{ target: name, breaker: 'submit', state: 'open' }]);
    expect(states).toContainEqual({ target: name, breaker: 'submit', state: 'open' });
    expect(states).toContainEqual({ target: name, breaker: 'outcome', state: 'closed' });
    expect(admissions).toBe(1);
    expect(await storedTarget()).toMatchObject({ admits: 0, probing_since: null });
  });

  test.each(['unreachable', 'provider_failed'] as const)('counts a refusal as %s', async (code) => {
    await times(3, () => refused(code));
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
  });

  test.each(['rate_limited', 'moderation', 'invalid_input', 'media_fetch'] as const)(
    'takes a storm of %s for no fault of the target',
    async (code) => {
      await times(8, () => refused(code));
      expect((await watchOnce()).admissions).toBe(0);
    },
  );

  test('counts a model that the vendor no longer has', async () => {
    await times(3, () => refused('invalid_input', { vendorCode: 'http_404' }));
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
  });

  test('counts answers that were lost at the vendor, and not those that a killed worker of ours has lost', async () => {
    await times(8, () => unanswered());
    await watchOnce();
    expect(await stateOf('submit')).toBe('closed');
    await times(3, () => unanswered('ambiguous_submit'));
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
  });

  test.each(['auth', 'no_credit'] as const)('opens at once on %s, however much was accepted before', async (code) => {
    await times(10, () => accepted());
    await refused(code);
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
  });

  test('counts POSTs that nobody has answered for too long', async () => {
    await times(3, () => send({ agoMs: limits.submitSlowMs + 2_000 }));
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
  });

  test('counts neither POSTs that are just under way, nor those that a worker must have forgotten', async () => {
    await times(5, () => send({ agoMs: 2_000 }));
    await times(5, () => send({ agoMs: limits.submitLostMs + 60_000 }));
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('looks at the last minutes only', async () => {
    await times(8, () => refused('unreachable'));
    const past = `interval '1 millisecond' * ${limits.breakerWindowMs + 5_000}`;
    await bench.pool.query(`UPDATE attempts SET answered_at = answered_at - ${past} WHERE pool = $1`, [pool]);
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('blames no other target of the same account', async () => {
    await times(3, () => refused('unreachable'));
    await bench.pool.query('INSERT INTO targets (pool, name) VALUES ($1, $2)', [pool, 'vendor/other']);
    expect((await watchOnce()).changes.map(({ target }) => target)).toEqual([name]);
  });

  test('is proven by acceptance: one, two and four at once, then it is closed', async () => {
    await times(3, () => refused('unreachable'));
    await watchOnce();
    await letTimePass('submit', limits.breakerPauseMsMin);
    await watchOnce();
    expect(await storedTarget()).toMatchObject({ admits: 1 });
    expect((await storedTarget()).probing_since?.getTime()).toBeGreaterThan(Date.now() - 60_000);

    // The failures of before are no failure of a probe.
    const ramp: (number | null)[] = [];
    for (let probe = 0; probe < 4; probe += 1) {
      await accepted({ agoMs: 0 });
      await watchOnce();
      ramp.push((await storedTarget()).admits);
    }
    expect(ramp).toEqual([2, 4, 4, null]);
    expect(await storedTarget()).toMatchObject({ admits: null, probing_since: null });
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('is open again for twice the time when its probe fails', async () => {
    await times(3, () => refused('unreachable'));
    await watchOnce();
    await letTimePass('submit', limits.breakerPauseMsMin);
    await watchOnce();
    const probe = await send({ agoMs: 0 });
    await endAttempt(bench.pool, {
      ...probe,
      evidence: 'refusal',
      outcome: 'failed',
      failure: failureOf('unreachable'),
    });
    await watchOnce();
    expect(await storedTarget()).toMatchObject({ admits: 0 });
    await letTimePass('submit', limits.breakerPauseMsMin + 1_000);
    await watchOnce();
    expect(await stateOf('submit')).toBe('open');
    await letTimePass('submit', limits.breakerPauseMsMin);
    await watchOnce();
    expect(await stateOf('submit')).toBe('half_open');
  });
});

describe('the outcome breaker', () => {
  test('opens on accepted attempts that fail, which prove the submit breaker right', async () => {
    await times(3, () => failed('provider_failed'));
    await watchOnce();
    expect([await stateOf('submit'), await stateOf('outcome')]).toEqual(['closed', 'open']);
  });

  test.each(['moderation', 'invalid_input', 'media_fetch'] as const)('is not opened by a storm of %s', async (code) => {
    await times(8, () => failed(code));
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('is not opened by attempts that we have stopped', async () => {
    await times(8, async () => endAttempt(bench.pool, { ...(await accepted()), evidence: 'stop', outcome: 'lost' }));
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('counts attempts of which nothing was ever heard', async () => {
    const end = { evidence: 'longest_duration', outcome: 'lost', failure: failureOf('timed_out') } as const;
    await times(3, async () => endAttempt(bench.pool, { ...(await accepted()), ...end }));
    await watchOnce();
    expect(await stateOf('outcome')).toBe('open');
  });

  test('leaves a target whose attempts take far longer than usual, before they end and before patience is over', async () => {
    await times(3, () => accepted({ agoMs: 115_000 }));
    await watchOnce();
    expect(await stateOf('outcome')).toBe('open');
  });

  test('lets attempts be that take long, and within what is usual', async () => {
    await times(8, () => accepted({ agoMs: 85_000 }));
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('takes no attempt for overdue that nobody waits for any more', async () => {
    await times(3, async () => {
      const { jobId } = await accepted({ agoMs: 200_000 });
      await settleJob(bench.pool, jobId, { phase: 'cancelled' });
    });
    expect((await watchOnce()).admissions).toBe(0);
  });

  test('takes no silence for the vendor’s while Temporal cannot be reached', async () => {
    await times(8, () => accepted({ agoMs: 200_000 }));
    expect((await watchOnce({ isHearing: async () => false })).admissions).toBe(0);
    expect((await watchOnce()).admissions).toBe(1);
  });

  test('knows a target that has fallen silent by its own durations, while nothing is overdue', async () => {
    const quantilesMs = Array.from({ length: 19 }, (_, index) => 20_000 + index * 1_000);
    await bench.pool.query('UPDATE targets SET durations = $2 WHERE name = $1', [name, { count: 3_000, quantilesMs }]);
    await times(8, () => accepted({ agoMs: 41_000 }));
    await watchOnce();
    expect(await stateOf('outcome')).toBe('open');
  });

  test('is proven by completion, also of what was submitted before it opened', async () => {
    const hung = await Promise.all(Array.from({ length: 7 }, () => accepted({ agoMs: 150_000 })));
    await watchOnce();
    await letTimePass('outcome', limits.breakerPauseMsMin);
    await watchOnce();
    expect(await storedTarget()).toMatchObject({ admits: 1 });
    for (const sent of hung) {
      expect(await stateOf('outcome')).toBe('half_open');
      await endAttempt(bench.pool, {
        ...sent,
        evidence: 'check',
        outcome: 'finished',
        videoUrl: 'https://v.example/v',
      });
      await watchOnce();
    }
    expect(await stateOf('outcome')).toBe('closed');
  });
});

describe('the sketch of durations', () => {
  test('is of the videos that were made, as long as they took', async () => {
    for (let video = 0; video < 11; video += 1) await finished({ agoMs: 20_000 + video * 1_000 });
    await times(3, () => accepted({ agoMs: 50_000 }));
    await bench.pool.query(
      `UPDATE jobs SET dispatched_at = submitted_at - interval '300 ms' FROM attempts WHERE attempts.job = jobs.id`,
    );
    await watchOnce();
    const { durations } = await storedTarget();
    expect(durations).toMatchObject({ count: 11, beforeMs: 300, afterMs: null });
    const sketch = readDurations(durations, { typicalMs: 25_000, longestMs: 900_000 });
    expect(durationAt(sketch, 0.5)).toBeGreaterThan(24_000);
    expect(durationAt(sketch, 0.5)).toBeLessThan(27_000);
  });

  test('leaves out videos that nobody waited for: when they were made, nobody has seen', async () => {
    const { jobId, attempt } = await accepted({ agoMs: 60_000 });
    await settleJob(bench.pool, jobId, { phase: 'cancelled' });
    await endAttempt(bench.pool, {
      jobId,
      attempt,
      evidence: 'check',
      outcome: 'finished',
      videoUrl: 'https://v.example/v',
    });
    await watchOnce();
    expect((await storedTarget()).durations).toEqual({});
  });

  test('is of so many of the newest, however many there were', async () => {
    const count = limits.durationsOfSketchMax + 50;
    const sent = await accepted();
    await bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation,
                             submitted_at, answered_at, ended_at, evidence, outcome)
       SELECT $1::text, 1 + n, 'default', $2, 0, $3, 'vendor', 't', 'accepted', $1::text || n,
              now() - interval '10 seconds', now(), now(), 'callback', 'finished' FROM generate_series(1, $4) AS n`,
      [sent.jobId, pool, name, count],
    );
    const rows = await readDurationsOfTargets(bench.pool);
    expect(rows.find((row) => row.name === name)?.count).toBe(limits.durationsOfSketchMax);
  });
});

test('one process judges at a time, and every one knows how the breakers stand', async () => {
  await times(3, () => refused('unreachable'));
  const other = connectAgain(bench);
  try {
    await asOnlyOne(other, 'health', async () => {
      const { admissions, states } = await watchOnce();
      expect(admissions).toBe(0);
      expect(states).toContainEqual({ target: name, breaker: 'submit', state: 'closed' });
    });
    expect((await watchOnce()).admissions).toBe(1);
    expect((await watchOnce({ pool: other })).states).toContainEqual({
      target: name,
      breaker: 'submit',
      state: 'open',
    });
  } finally {
    await other.end();
  }
});

test('what cannot be read of a target stops no other', async () => {
  await bench.pool.query(`UPDATE targets SET health = '"broken"', durations = '[1]' WHERE name = $1`, [name]);
  await times(3, () => refused('unreachable'));
  await watchOnce();
  expect(await stateOf('submit')).toBe('open');
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Plan[];
}

/** What a statement costs now, in pages, and the tables that it reads from end to end. */
async function costOf(ask: (db: Database) => Promise<unknown>): Promise<{ pages: number; walked: readonly string[] }> {
  let captured: { text: string; values: unknown[] } | undefined;
  const capture = async (text: string, values: unknown[]): Promise<unknown> => {
    captured = { text, values };
    return { rows: [] };
  };
  await ask(new Proxy(bench.pool, { get: (_, property): unknown => (property === 'query' ? capture : undefined) }));
  const explain = async (connection: Database) =>
    await connection.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${captured?.text}`,
      captured?.values,
    );
  const { rows } = await inTransaction(bench.pool, explain, beginWithPinnedPlans);
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  if (plan === undefined) throw new Error('no plan');
  const walked = nodesOf(plan).filter((node) => node['Node Type'] === 'Seq Scan');
  const tables = walked.flatMap((node) => node['Relation Name'] ?? []);
  return { pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], walked: tables };
}

function nodesOf(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

test('a round costs the same after a history of 2,000 attempts and of 50,000', async () => {
  const { jobId } = await accepted();
  const [stored] = await findTargets(bench.pool);
  const now = stored?.now ?? 0;
  const span = { after: now - limits.breakerWindowMs, submittedAfter: 0 };
  const query = {
    pool,
    name,
    now,
    submit: span,
    outcome: span,
    dueAfterMs: 70_000,
    overdueAfterMs: 112_500,
    isProbing: false,
  };
  const askEvidence = (db: Database): Promise<unknown> => readEvidence(db, [query]);
  const addHistory = (from: number, to: number): Promise<unknown> =>
    bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation,
                             submitted_at, answered_at, ended_at, evidence, outcome)
       SELECT $1::text, n, 'default', $2, 0, $3, 'vendor', 't', 'accepted', $1::text || n,
              past.at - interval '1 minute', past.at, past.at, 'callback', 'finished'
       FROM generate_series($4::int, $5::int) AS n, LATERAL (SELECT now() - n * interval '10 seconds' AS at) AS past`,
      [jobId, pool, name, from, to],
    );
  const costs = async () => ({ evidence: await costOf(askEvidence), durations: await costOf(readDurationsOfTargets) });
  // The planner has seen no more than this, and nobody tells it of the history.
  await bench.pool.query('ALTER TABLE attempts SET (autovacuum_enabled = off)');
  await bench.pool.query('ANALYZE attempts');
  await addHistory(2, 2_000);
  const before = await costs();
  await addHistory(2_001, 50_000);
  for (const { evidence, durations } of [await costs(), (await bench.pool.query('ANALYZE'), await costs())]) {
    expect(evidence.walked).not.toContain('attempts');
    expect(evidence.pages).toBeLessThan(before.evidence.pages + 50);
    expect(durations.walked).not.toContain('attempts');
    expect(durations.pages).toBeLessThan(before.durations.pages + 50);
  }
});
