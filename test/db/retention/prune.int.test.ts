import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eraseJob } from '../../../src/db/retention/erase.ts';
import { pruneActions, type Pruned, pruneJobs } from '../../../src/db/retention/prune.ts';
import { noteRemovedAssets } from '../../../src/db/retention/retention.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { setSpendCap } from '../../../src/db/scheduler/pools.ts';
import { findBudgetLeft } from '../../../src/db/tenants/budget.ts';
import { readUsage } from '../../../src/db/tenants/usage.ts';
import { recordAction } from '../../../src/db/control/operator-actions.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(() => bench.drop());

const everything = `TRUNCATE jobs, attempts, assets, tickets, permits, mailbox, job_events, callback_inbox, erasures,
  webhook_deliveries, idempotency_keys, pruned_usage, prune_position, operator_actions CASCADE`;
beforeEach(async () => {
  await bench.pool.query(everything);
});
afterEach(async () => {
  await bench.pool.query(everything);
});

const prune = (changes: Partial<{ daysKept: number; batch: number; batchesMax: number }> = {}): Promise<Pruned> =>
  pruneJobs(bench.pool, { daysKept: 40, batch: 100, batchesMax: 10, ...changes });

/** So many days older than it is, by every clock that pruning goes by: its id as well. */
async function age(job: string, days: number): Promise<string> {
  const { at } = await bench.row<{ at: Date }>(`SELECT now() - $1 * interval '1 day' AS at`, days);
  const hex = at.getTime().toString(16).padStart(12, '0');
  const older = `video_${hex.slice(0, 8)}-${hex.slice(8)}${job.slice('video_00000000-0000'.length)}`;
  // The ledger names its job by a foreign key: for a moment nobody checks it.
  const tables = [
    'job_events',
    'callback_inbox',
    'assets',
    'attempts',
    'erasures',
    'permits',
    'tickets',
    'mailbox',
    'webhook_deliveries',
  ];
  await bench.pool.query(
    `BEGIN; SET LOCAL session_replication_role = replica;
     UPDATE jobs SET id = '${older}', accepted_at = accepted_at - interval '${days} days',
                     finished_at = finished_at - interval '${days} days' WHERE id = '${job}';
     ${tables.map((table) => `UPDATE ${table} SET job = '${older}' WHERE job = '${job}';`).join('\n')} COMMIT`,
  );
  return older;
}

/** A job that was completed, and whose video has gone since. */
async function completeOne(): Promise<string> {
  const job = await bench.finishJob();
  await bench.keepVideo(job);
  await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
  await bench.pool.query(`UPDATE assets SET expires_at = now() - interval '1 second' WHERE job = $1`, [job]);
  await noteRemovedAssets(bench.pool, [{ jobId: job, attempt: 1, key: '' }]);
  await bench.pool.query(
    `INSERT INTO callback_inbox (job, attempt, body_sha256, kind) VALUES ($1, 1, '\\x00', 'finished')`,
    [job],
  );
  await bench.pool.query('DELETE FROM mailbox WHERE job = $1', [job]);
  return job;
}

const exists = async (job: string): Promise<boolean> =>
  (await bench.pool.query('SELECT 1 FROM jobs WHERE id = $1', [job])).rows.length > 0;

describe('a job that ended long ago', () => {
  test('goes with all that hangs on it, and younger ones stay', async () => {
    const old = await age(await completeOne(), 41);
    const young = await age(await completeOne(), 39);
    expect(await prune()).toEqual({ jobs: 1, isMore: false });
    for (const table of ['job_events', 'callback_inbox', 'assets', 'attempts']) {
      expect(await bench.count(table, old)).toBe(0);
      expect(await bench.count(table, young)).toBeGreaterThan(0);
    }
    expect([await exists(old), await exists(young)]).toEqual([false, true]);
  });

  test('leaves what it cost: usage is the same before and after', async () => {
    const jobs = [
      await age(await completeOne(), 45),
      await age(await completeOne(), 45),
      await age(await completeOne(), 30),
    ];
    const failed = await bench.acceptJob();
    await settleJob(bench.pool, failed, { phase: 'failed', failure: failureOf('queue_deadline') });
    await age(failed, 45);
    const day = (ago: number): string => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
    const read = async () => {
      const range = { tenant: 'default', from: day(60), to: day(0) };
      const groups = ['day', 'model', 'provider'] as const;
      return await Promise.all(
        groups.map(async (groupBy) => (await readUsage(bench.pool, { ...range, groupBy })).rows),
      );
    };
    const before = await read();
    expect(before[1]).toMatchObject([{ attempts: 3, costUsdMicros: 1_500_000, jobs: { completed: 3, failed: 1 } }]);
    expect((await prune()).jobs).toBe(3);
    expect(await read()).toEqual(before);
    expect(await exists(jobs[2] ?? '')).toBe(true);
    // A second run has nothing to add.
    expect((await prune()).jobs).toBe(0);
    expect(await read()).toEqual(before);
  });

  test('was paid for: a cap that is set afterwards begins with what it cost', async () => {
    await age(await completeOne(), 45);
    await completeOne();
    expect((await prune()).jobs).toBe(1);
    await setSpendCap(bench.pool, 5_000_000);
    try {
      // Half a dollar each.
      expect(await findBudgetLeft(bench.pool)).toBe(4_000_000);
    } finally {
      await setSpendCap(bench.pool, null);
    }
  });

  const held: readonly (readonly [what: string, hold: (job: string) => Promise<unknown>])[] = [
    [
      'a permit',
      (job) =>
        bench.pool.query(
          `INSERT INTO permits (job, attempt, pool, target, start_at) VALUES ($1, 9, 'vendor', 0, now())`,
          [job],
        ),
    ],
    [
      'an attempt that nobody has heard the end of',
      (job) =>
        bench.pool.query(`UPDATE attempts SET ended_at = NULL, evidence = NULL, outcome = NULL WHERE job = $1`, [job]),
    ],
    [
      'bytes that lie somewhere',
      (job) => bench.pool.query('UPDATE assets SET removed_at = NULL WHERE job = $1', [job]),
    ],
    [
      'an input picture',
      (job) => bench.pool.query(`UPDATE jobs SET input_image = 'inputs/one.jpg' WHERE id = $1`, [job]),
    ],
    ['mail', (job) => bench.pool.query(`INSERT INTO mailbox (job, kind) VALUES ($1, 'cancel')`, [job])],
    [
      'a webhook',
      (job) =>
        bench.pool.query(
          `INSERT INTO webhook_deliveries (id, event_id, tenant, receiver, job, kind, event_at) VALUES ('whd_' || $1, 'evt', 'default', 'r', $1, 'video.completed', now())`,
          [job],
        ),
    ],
    ['a deletion under way', (job) => eraseJob(bench.pool, { id: job, tenant: 'default' })],
  ];
  test.each(held)('stays while it has %s', async (_what, hold) => {
    const free = await age(await completeOne(), 60);
    const job = await completeOne();
    await hold(job);
    const old = await age(job, 60);
    await prune();
    expect([await exists(free), await exists(old)]).toEqual([false, true]);
  });

  test('stays while it is open, however old it is', async () => {
    const waiting = await age(await bench.acceptJob(), 60);
    const begun = await bench.acceptJob();
    const [grant = ''] = await bench.grant(begun);
    await beginAttempt(bench.pool, beginOrder(begun, grant));
    const old = await age(begun, 60);
    expect(await prune()).toEqual({ jobs: 0, isMore: false });
    expect([await exists(waiting), await exists(old)]).toEqual([true, true]);
  });
});

describe('a run of pruning', () => {
  test('steps over those that may not go, batch after batch, and says when there is more', async () => {
    const stuck = await age(await completeOne(), 80);
    await bench.pool.query(`INSERT INTO mailbox (job, kind) VALUES ($1, 'cancel')`, [stuck]);
    for (let count = 0; count < 5; count += 1) await age(await completeOne(), 60);
    expect(await prune({ batch: 2, batchesMax: 2 })).toEqual({ jobs: 3, isMore: true });
    expect(await prune({ batch: 2, batchesMax: 2 })).toEqual({ jobs: 2, isMore: false });
    expect(await exists(stuck)).toBe(true);
  });

  test('comes to what lies behind many that may not go, and looks at those again afterwards', async () => {
    const stuck: string[] = [];
    for (let count = 0; count < 4; count += 1) stuck.push(await age(await completeOne(), 80 - count));
    await bench.pool.query(`INSERT INTO mailbox (job, kind) SELECT unnest($1::text[]), 'cancel'`, [stuck]);
    const behind = await age(await completeOne(), 60);
    const few = { batch: 2, batchesMax: 2 };
    // Nothing went, so nobody has to come back at once.
    expect(await prune(few)).toEqual({ jobs: 0, isMore: false });
    expect(await prune(few)).toEqual({ jobs: 1, isMore: false });
    expect(await exists(behind)).toBe(false);
    await bench.pool.query('DELETE FROM mailbox');
    expect(await prune({ batch: 2 })).toEqual({ jobs: 4, isMore: false });
  });

  test('leaves the receipt of a job that is deleted while it looks', async () => {
    const old = await age(await completeOne(), 60);
    const other = await bench.pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT erase_job($1, $2)', [old, 'default']);
    expect(await prune()).toMatchObject({ jobs: 0 });
    await other.query('COMMIT');
    other.release();
    expect(await prune()).toMatchObject({ jobs: 0 });
    expect(await bench.count('erasures', old)).toBe(1);
  });

  test('that is killed in the middle of a batch leaves the batch as it was', async () => {
    const old = await age(await completeOne(), 60);
    const connection = await bench.pool.connect();
    const { pid } = (await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0] ?? { pid: 0 };
    await connection.query('BEGIN');
    await connection.query(`SELECT * FROM prune_jobs(now() - interval '40 days', '', 100)`);
    connection.on('error', () => undefined);
    await bench.pool.query('SELECT pg_terminate_backend($1)', [pid]);
    connection.release(true);
    expect(await exists(old)).toBe(true);
    expect(await bench.count('attempts', old)).toBe(1);
    expect((await bench.pool.query('SELECT 1 FROM pruned_usage')).rows).toEqual([]);
    expect((await prune()).jobs).toBe(1);
    expect((await bench.row<{ sum: string }>('SELECT sum(attempts) FROM pruned_usage')).sum).toBe('1');
  });

  test('beside another one waits for nobody, and counts nothing twice', async () => {
    for (let count = 0; count < 6; count += 1) await age(await completeOne(), 60);
    const other = await bench.pool.connect();
    await other.query('BEGIN');
    await other.query(`SELECT * FROM prune_jobs(now() - interval '40 days', '', 3)`);
    expect(await prune({ batch: 3 })).toEqual({ jobs: 0, isMore: false });
    await other.query('COMMIT');
    other.release();
    expect(await prune()).toMatchObject({ jobs: 3 });
    expect((await bench.row<{ sum: string }>('SELECT sum(jobs) FROM pruned_usage')).sum).toBe('6');
  });

  test('leaves a job that somebody is at to the next one', async () => {
    const old = await age(await completeOne(), 60);
    const other = await bench.pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT 1 FROM jobs WHERE id = $1 FOR KEY SHARE', [old]);
    expect(await prune()).toMatchObject({ jobs: 0 });
    await other.query('ROLLBACK');
    other.release();
    expect(await prune()).toMatchObject({ jobs: 1 });
  });

  test('keeps nobody from accepting', async () => {
    await age(await completeOne(), 60);
    const other = await bench.pool.connect();
    await other.query('BEGIN');
    await other.query(`SELECT * FROM prune_jobs(now() - interval '40 days', '', 100)`);
    expect(await exists(await bench.acceptJob())).toBe(true);
    await other.query('ROLLBACK');
    other.release();
  });

  test('reads jobs by their key, also among a hundred thousand', async () => {
    const patient = new Client({ connectionString: bench.url });
    await patient.connect();
    await patient.query(
      `INSERT INTO jobs (id, tenant, model, route, priority, queue_deadline, accepted_at)
       SELECT least_job_id(at) || '-7' || substr(md5(n::text), 1, 3) || '-8' || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12),
              'default', 'model', '[]', 1, now(), at
       FROM (SELECT n, now() - interval '30 days' - n * interval '1 second' AS at FROM generate_series(1, 100000) AS n) AS made`,
    );
    await patient.query('ANALYZE jobs');
    await patient.end();
    const { rows } = await bench.pool.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT id FROM jobs WHERE id > '' AND id < least_job_id(now() - interval '40 days') ORDER BY id LIMIT 500`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('jobs_pkey');
    expect(plan).not.toContain('Seq Scan');
    expect(plan).not.toContain('Sort');
  });
});

test('what operators did is kept for two years', async () => {
  for (const action of ['pause', 'resume'])
    await recordAction(bench.pool, { actor: 'somebody', action, subject: 'pool', reason: 'a test' });
  await bench.pool.query(`UPDATE operator_actions SET at = now() - interval '731 days' WHERE action = 'pause'`);
  expect(await pruneActions(bench.pool)).toBe(1);
  expect(await bench.row<{ action: string }>('SELECT action FROM operator_actions')).toEqual({ action: 'resume' });
});
