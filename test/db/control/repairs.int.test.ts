import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerAttempt, beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { beginAsset, keepAsset } from '../../../src/db/jobs/assets.ts';
import { moveTicket, noteRepair, type RepairNote } from '../../../src/db/control/repairs.ts';
import { queueAttempt, settleJob } from '../../../src/db/ledger/settle.ts';
import { findStuckJobs } from '../../../src/db/stuck/stuck-jobs.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import type { Route } from '../../../src/domain/route.ts';
import { auditRecords } from '../../support/auditor.ts';
import { beginOrder, createLedgerBench, type LedgerBench, target } from '../ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(() => bench.drop());
let updates = 0;
beforeEach(() => {
  updates += 1;
});

const day = 86_400_000;
const twoTargets: Route = [
  target,
  { ...target, name: 'vendor/other', pool: 'other', priceUsdMicros: 800_000, spillAfterMs: 60_000 },
];

const note = (jobId: string, changes: Partial<RepairNote> = {}) =>
  noteRepair(bench.pool, {
    jobId,
    request: `${jobId}:${updates}`,
    run: 'run-1',
    repair: 'pollNow',
    actor: 'ada',
    reason: 'a test',
    detail: {},
    extensionMs: 0,
    spanMsMax: 7 * day,
    isForced: false,
    target: undefined,
    copies: [],
    attemptsMax: limits.attemptsOfJobMax,
    ...changes,
  });

/** A job whose first attempt the vendor works on. */
async function startJob(route: Route = twoTargets): Promise<string> {
  const job = await bench.acceptJob({ route });
  const [grant = ''] = await bench.grant(job);
  await beginAttempt(bench.pool, beginOrder(job, grant));
  await answerAttempt(bench.pool, { jobId: job, attempt: 1, state: 'accepted', operation: `op-${job}` });
  return job;
}

const deadlinesOf = (job: string) =>
  bench.row<{ queue: Date; run: Date | null; ticket: Date | null }>(
    `SELECT queue_deadline AS queue, run_deadline AS run, (SELECT queue_deadline FROM tickets WHERE job = jobs.id) AS ticket
     FROM jobs WHERE id = $1`,
    job,
  );
const eventsOf = async (job: string, kind: string) =>
  (
    await bench.pool.query<{ data: object }>('SELECT data FROM job_events WHERE job = $1 AND kind = $2', [job, kind])
  ).rows.map(({ data }) => data);

const setCap = (sql: string) => bench.pool.query(`UPDATE budgets SET cap_usd_micros = ${sql} WHERE id = 'global'`);

describe('a repair', () => {
  test('is written down once, however often it is told, with who and why', async () => {
    const job = await startJob();
    expect(await note(job)).toMatchObject({ verdict: 'noted' });
    expect(await note(job)).toMatchObject({ verdict: 'noted' });
    const { rows } = await bench.pool.query('SELECT actor, action, reason FROM operator_actions WHERE subject = $1', [
      job,
    ]);
    expect(rows).toEqual([{ actor: 'ada', action: 'pollNow', reason: 'a test' }]);
    expect(await eventsOf(job, 'job.repaired')).toEqual([{ repair: 'pollNow' }]);
  });

  test('tells the tenant that it was done, and not by whom or why', async () => {
    const job = await startJob();
    await note(job, { reason: 'because of mrs jones' });
    expect(JSON.stringify(await eventsOf(job, 'job.repaired'))).not.toMatch(/ada|jones/);
  });

  test('of an earlier run is known as such: after a reset the same update comes again', async () => {
    const job = await startJob();
    await note(job);
    expect(await note(job, { run: 'run-2' })).toMatchObject({ verdict: 'repeated' });
    expect(await eventsOf(job, 'job.repaired')).toHaveLength(1);
  });

  test('of a job that has ended, or is none, leaves nothing behind', async () => {
    const job = await bench.acceptJob();
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await note(job, { extensionMs: day })).toMatchObject({ verdict: 'job_final' });
    expect(await note('video_01970000-0000-7000-8000-000000000001')).toMatchObject({
      verdict: 'job_final',
      endsAt: null,
    });
    expect(await eventsOf(job, 'job.repaired')).toEqual([]);
    expect(await auditRecords({ pool: bench.pool, accepted: [] })).toEqual([]);
  });
});

describe('more time', () => {
  test('moves the run deadline of what was sent, once for each update, and that of its ticket', async () => {
    const job = await startJob();
    const ticket = { attempt: 2, target: 1, kind: 'overlap' } as const;
    await queueAttempt(bench.pool, { jobId: job, ticket, waitMs: 0 });
    const { run: before } = await deadlinesOf(job);
    const noted = await note(job, { repair: 'extendDeadline', extensionMs: 3_600_000 });
    expect(noted.byMs).toBe(3_600_000);
    const { run, ticket: ofTicket } = await deadlinesOf(job);
    expect((run?.getTime() ?? 0) - (before?.getTime() ?? 0)).toBe(3_600_000);
    expect(ofTicket).toEqual(run);
    expect(Math.round(noted.endsAt ?? 0)).toBeCloseTo(run?.getTime() ?? 0, -1);
    // Told again, also by another run: the same answer, and no more time.
    expect(await note(job, { extensionMs: 3_600_000 })).toMatchObject({ verdict: 'noted', byMs: 3_600_000 });
    expect(await note(job, { extensionMs: 3_600_000, run: 'run-2' })).toMatchObject({ byMs: 3_600_000 });
    expect((await deadlinesOf(job)).run).toEqual(run);
  });

  test('moves the queue deadline of what waits for its first permit', async () => {
    const job = await bench.acceptJob();
    const before = await deadlinesOf(job);
    expect(await note(job, { extensionMs: 3_600_000 })).toMatchObject({ byMs: 0 });
    const after = await deadlinesOf(job);
    expect(after.queue.getTime() - before.queue.getTime()).toBe(3_600_000);
    expect(after).toMatchObject({ run: null, ticket: after.queue });
  });

  test('ends somewhere: no deadline is moved further than a span from now, nor back', async () => {
    const job = await startJob();
    await note(job, { extensionMs: 30 * day });
    const { run } = await deadlinesOf(job);
    expect(run?.getTime() ?? 0).toBeLessThanOrEqual(Date.now() + 7 * day + 60_000);
    await note(job, { request: `${job}:more`, extensionMs: day, spanMsMax: day });
    expect((await deadlinesOf(job)).run).toEqual(run);
  });
});

describe('force', () => {
  test('notes that what is under way may be paid beside another one', async () => {
    const job = await startJob();
    await note(job, { isForced: true });
    expect(await bench.row('SELECT possible_duplicate FROM attempts WHERE job = $1', job)).toEqual({
      possible_duplicate: true,
    });
    expect(await eventsOf(job, 'job.repaired')).toEqual([{ repair: 'pollNow', possible_duplicates: [1] }]);
    expect(
      (await auditRecords({ pool: bench.pool, accepted: [] })).filter((one) => one.includes('nobody’s policy')),
    ).toEqual([]);
  });

  test('gives a copy up that is being made, so that none of its tries withdraws what is asked for now', async () => {
    const job = await bench.finishJob({ route: twoTargets });
    await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' });
    await note(job, { isForced: true, target: 1, copies: [1] });
    const ticket = { attempt: 2, target: 1, kind: 'retry' } as const;
    expect(await queueAttempt(bench.pool, { jobId: job, ticket, waitMs: 0 })).toBe('queued');
    expect(await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' })).toMatchObject({ verdict: 'failed' });
    expect(await bench.count('tickets', job)).toBe(1);
  });

  test('gives up a copy that never began, and withdraws what was not sent beside it', async () => {
    const job = await bench.finishJob({ route: twoTargets });
    const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
    await queueAttempt(bench.pool, { jobId: job, ticket, waitMs: 0 });
    expect(await note(job, { isForced: true, target: 1, copies: [1] })).toMatchObject({ verdict: 'noted' });
    expect(await bench.count('tickets', job)).toBe(0);
    expect(await findStuckJobs(bench.pool, { stuckAfterMs: 0, jobId: job, limit: 1 })).toEqual([]);
    expect(await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' })).toMatchObject({ verdict: 'failed' });
    // Whoever tidies up looks for no object of it.
    expect(await bench.row('SELECT removed_at IS NOT NULL AS gone FROM assets WHERE job = $1', job)).toEqual({
      gone: true,
    });
  });

  test('gives up no copy but those that are named: another video may have come meanwhile', async () => {
    const job = await bench.finishJob({ route: twoTargets });
    await note(job, { isForced: true, target: 1 });
    expect(await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' })).toMatchObject({ verdict: 'go' });
  });

  test.each([
    { verdict: 'too_dear', changes: {} },
    { verdict: 'exhausted', changes: { attemptsMax: 1 } },
  ])(
    'writes nothing where another attempt is $verdict, so that the paid video is kept',
    async ({ verdict, changes }) => {
      const job = await bench.finishJob({ route: twoTargets });
      await bench.pool.query(`UPDATE jobs SET request = request || '{"max_cost_usd": 0.7}' WHERE id = $1`, [job]);
      await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' });
      const order = { isForced: true, target: 1, copies: [1], ...changes };
      expect(await note(job, order)).toMatchObject({ verdict });
      expect(await eventsOf(job, 'job.repaired')).toEqual([]);
      expect(await bench.row('SELECT possible_duplicate FROM attempts WHERE job = $1', job)).toEqual({
        possible_duplicate: false,
      });
      expect(await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' })).toMatchObject({ verdict: 'go' });
    },
  );

  describe('where a copy would be given up, and the budgets leave', () => {
    /** Its tenant has spent that of a dollar and a half on others, and the job half of one on its video. */
    async function copied(committedElsewhere: number): Promise<string> {
      const tenant = `tenant-${updates}`;
      const job = await bench.finishJob({ route: twoTargets });
      await bench.pool.query(`INSERT INTO tenants (id, month_budget_usd_micros) VALUES ($1, 1500000)`, [tenant]);
      await bench.pool.query(`UPDATE jobs SET tenant = $2 WHERE id = $1`, [job, tenant]);
      await bench.pool.query(
        `INSERT INTO spending (tenant, period, starts_on, committed_usd_micros)
         SELECT $1, period, starts_on, $2
         FROM (VALUES ('day', budget_day(now())), ('month', date_trunc('month', budget_day(now())::timestamp)::date)) AS its(period, starts_on)`,
        [tenant, 500_000 + committedElsewhere],
      );
      await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' });
      return job;
    }
    const give = (job: string) => note(job, { isForced: true, target: 1, copies: [1] });
    const isCopied = async (job: string) =>
      (await beginAsset(bench.pool, { jobId: job, attempt: 1, key: 'a-key' })).verdict === 'go';

    test('no room for another video, keeps the one that is paid for', async () => {
      const job = await copied(200_001);
      expect(await give(job)).toMatchObject({ verdict: 'no_budget' });
      expect(await isCopied(job)).toBe(true);
      expect(await eventsOf(job, 'job.repaired')).toEqual([]);
    });

    test('just as much, gives it up', async () => {
      const job = await copied(200_000);
      expect(await give(job)).toMatchObject({ verdict: 'noted' });
      expect(await isCopied(job)).toBe(false);
    });

    test('enough with what is reserved for the job already, gives it up', async () => {
      const job = await copied(1_000_000);
      await bench.pool.query('UPDATE jobs SET held_usd_micros = 300000 WHERE id = $1', [job]);
      expect(await give(job)).toMatchObject({ verdict: 'no_budget' });
      const ticket = { attempt: 2, target: 0, kind: 'retry' } as const;
      await queueAttempt(bench.pool, { jobId: job, ticket, waitMs: 0 });
      expect(await give(job)).toMatchObject({ verdict: 'no_budget' });
      await bench.pool.query('UPDATE tickets SET reserved_usd_micros = 800000 WHERE job = $1', [job]);
      expect(await give(job)).toMatchObject({ verdict: 'noted' });
    });

    test('nothing, but nothing is given up: another attempt may wait for them', async () => {
      const job = await copied(1_000_000);
      expect(await note(job, { isForced: true, target: 1 })).toMatchObject({ verdict: 'noted' });
    });

    test('room, and the cap of all does not, keeps the one that is paid for', async () => {
      const job = await bench.finishJob({ route: twoTargets });
      await bench.pool.query('DELETE FROM refunds');
      await setCap(`committed_usd_micros + 799999`);
      try {
        expect(await give(job)).toMatchObject({ verdict: 'no_budget' });
        await bench.pool.query(`INSERT INTO refunds (budget, usd_micros) VALUES ('global', 1)`);
        expect(await give(job)).toMatchObject({ verdict: 'noted' });
      } finally {
        await setCap('NULL');
      }
    });
  });

  test('comes too late where the video is ours already', async () => {
    const job = await bench.finishJob({ route: twoTargets });
    const place = { jobId: job, attempt: 1, key: 'a-key' };
    await beginAsset(bench.pool, place);
    await keepAsset(bench.pool, { ...place, contentType: 'video/mp4', bytes: 1, sha256: new Uint8Array(32) });
    expect(await note(job, { isForced: true, target: 1, copies: [1] })).toMatchObject({ verdict: 'kept' });
    expect(await eventsOf(job, 'job.repaired')).toEqual([]);
  });

  test('leaves what has ended, and was paid for or not, as it is', async () => {
    const job = await startJob();
    await bench.pool.query('SELECT end_attempt($1, 1, $2, $3, NULL, NULL, $4)', [
      job,
      'check',
      'failed',
      failureOf('no_credit'),
    ]);
    await note(job, { isForced: true });
    expect(await bench.row('SELECT possible_duplicate FROM attempts WHERE job = $1', job)).toEqual({
      possible_duplicate: false,
    });
  });
});

describe('a ticket that is moved', () => {
  const ticketOf = (job: string) => bench.row<Record<string, unknown>>('SELECT * FROM tickets WHERE job = $1', job);

  test('stands in the other line, at its place and its price, and leaves the first one', async () => {
    const job = await bench.acceptJob({ route: twoTargets });
    const before = await ticketOf(job);
    await bench.pool.query('DELETE FROM arrivals');
    expect(await moveTicket(bench.pool, job, 1)).toBe('moved');
    expect(await ticketOf(job)).toMatchObject({
      pool: 'other',
      target: 1,
      target_name: 'vendor/other',
      price_usd_micros: '800000',
      accepted_at: before['accepted_at'],
      kind: 'first',
    });
    const { rows } = await bench.pool.query('SELECT target_name, n FROM arrivals ORDER BY n');
    expect(rows).toEqual([
      { target_name: 'vendor/model', n: -1 },
      { target_name: 'vendor/other', n: 1 },
    ]);
    expect(await eventsOf(job, 'attempt.moved')).toEqual([
      { attempt: 1, from: 'vendor/model', to: 'vendor/other', reason: 'operator' },
    ]);
  });

  test('to where it stands changes nothing, but ends its pause', async () => {
    const job = await bench.acceptJob({ route: twoTargets });
    expect(await moveTicket(bench.pool, job, 0)).toBe('moved');
    expect(await eventsOf(job, 'attempt.moved')).toEqual([]);
    await bench.pool.query(`UPDATE tickets SET parked = true, not_before = now() + interval '1 hour' WHERE job = $1`, [
      job,
    ]);
    expect(await moveTicket(bench.pool, job, 0)).toBe('moved');
    expect(await ticketOf(job)).toMatchObject({ parked: false });
  });

  test('is none any more once it was granted, or its job has ended', async () => {
    const granted = await bench.acceptJob({ route: twoTargets });
    await bench.grant(granted);
    expect(await moveTicket(bench.pool, granted, 1)).toBe('gone');
    await settleJob(bench.pool, granted, { phase: 'cancelled' });
    expect(await moveTicket(bench.pool, granted, 1)).toBe('job_final');
    const wanted = await bench.acceptJob({ route: twoTargets });
    await bench.pool.query('UPDATE jobs SET cancel_requested_at = now() WHERE id = $1', [wanted]);
    expect(await moveTicket(bench.pool, wanted, 1)).toBe('cancel_requested');
  });

  test('goes nowhere that the job may not pay, nor where its route does not lead', async () => {
    const job = await bench.acceptJob({ route: twoTargets });
    await bench.pool.query(`UPDATE jobs SET request = request || '{"max_cost_usd": 0.7}' WHERE id = $1`, [job]);
    expect(await moveTicket(bench.pool, job, 1)).toBe('too_dear');
    expect(await moveTicket(bench.pool, job, 7)).toBe('job_final');
    expect(await ticketOf(job)).toMatchObject({ target: 0 });
  });

  test('goes nowhere that nobody knows the price of, where a cap has to be kept', async () => {
    const unpriced = { ...target, name: 'vendor/other', pool: 'other', priceUsdMicros: null };
    const job = await bench.acceptJob({ route: [target, unpriced] });
    await setCap('100000000');
    try {
      expect(await moveTicket(bench.pool, job, 1)).toBe('too_dear');
    } finally {
      await setCap('NULL');
    }
    expect(await moveTicket(bench.pool, job, 1)).toBe('moved');
  });

  test('reserves what it costs more of its tenant`s budget, or stays where there is none', async () => {
    await bench.pool.query(`INSERT INTO tenants (id, day_budget_usd_micros) VALUES ('thrifty', 1000000)`);
    const job = await bench.acceptJob({ route: twoTargets });
    await bench.pool.query(`UPDATE jobs SET tenant = 'thrifty' WHERE id = $1`, [job]);
    await bench.pool.query(`UPDATE tickets SET tenant = 'thrifty', reserved_usd_micros = 500000 WHERE job = $1`, [job]);
    await bench.pool.query(
      `INSERT INTO spending (tenant, period, starts_on, committed_usd_micros) VALUES ('thrifty', 'day', budget_day(now()), 800000)`,
    );
    expect(await moveTicket(bench.pool, job, 1)).toBe('no_budget');
    await bench.pool.query(`UPDATE spending SET committed_usd_micros = 500000 WHERE tenant = 'thrifty'`);
    expect(await moveTicket(bench.pool, job, 1)).toBe('moved');
    expect(await ticketOf(job)).toMatchObject({ reserved_usd_micros: '800000' });
    const { rows } = await bench.pool.query(
      `SELECT committed_usd_micros FROM spending WHERE tenant = 'thrifty' AND period = 'day'`,
    );
    expect(rows).toEqual([{ committed_usd_micros: '800000' }]);
  });

  test('waits for the grant pass that has the line, and is not granted where it no longer stands', async () => {
    const job = await bench.acceptJob({ route: twoTargets });
    const holder = await bench.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(`SELECT 1 FROM pools WHERE id = 'vendor' FOR NO KEY UPDATE`);
      const moving = moveTicket(bench.pool, job, 1);
      await holder.query('DELETE FROM tickets WHERE job = $1', [job]);
      await holder.query('COMMIT');
      expect(await moving).toBe('gone');
    } finally {
      holder.release();
    }
  });
});
