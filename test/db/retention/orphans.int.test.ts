import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import {
  findAdoptable,
  forgetOrphans,
  listOrphans,
  markAdopted,
  noteOrphan,
  type Orphan,
} from '../../../src/db/retention/orphans.ts';
import { createPool } from '../../../src/db/pool.ts';
import { countServiceSessions, lateEvents, settleOldEvents } from '../../../src/db/ledger/restore.ts';
import { settleJob } from '../../../src/db/ledger/settle.ts';
import { listenToWakeUps } from '../../../src/db/wake-ups.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { until } from '../../support/until.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(() => bench.drop());
beforeEach(async () => {
  await bench.pool.query('DELETE FROM orphans');
});

const orphanOf = (job: string, changes: Partial<Orphan> = {}): Orphan => ({
  job,
  attempt: 1,
  provider: 'vendor',
  targetName: null,
  operation: null,
  foundBy: 'callback',
  said: null,
  ...changes,
});
const unknownJob = 'video_01890a5d-ac96-774b-bcce-b302099a8057';

describe('an orphan', () => {
  test('is noted once, and what is learned later is added', async () => {
    await noteOrphan(bench.pool, orphanOf(unknownJob, { foundBy: 'restore', targetName: 'vendor/model' }));
    await noteOrphan(bench.pool, orphanOf(unknownJob, { operation: 'op-1', said: 'finished' }));
    await noteOrphan(bench.pool, orphanOf(unknownJob, { said: 'finished' }));
    const found = await listOrphans(bench.pool, 10);
    const known = { operation: 'op-1', targetName: 'vendor/model', said: 'finished', foundBy: 'restore', times: 3 };
    expect(found).toMatchObject([{ ...known, belongsTo: 'nothing', adoptedAt: null }]);
  });

  test('that a callback named keeps its name, but for our own word and for the attempt’s own callback', async () => {
    const nameOf = async (): Promise<string | null | undefined> => (await listOrphans(bench.pool, 1))[0]?.operation;
    const told = (operation: string) => orphanOf(unknownJob, { operation });
    await noteOrphan(bench.pool, { ...told('first-told'), token: 'guessed' });
    await noteOrphan(bench.pool, { ...told('told-by-anybody'), token: 'guessed' });
    expect(await nameOf()).toBe('first-told');
    const { token } = await bench.row<{ token: string }>('SELECT attempt_token($1, 1) AS token', unknownJob);
    await noteOrphan(bench.pool, { ...told('told-to-us'), token });
    expect(await nameOf()).toBe('told-to-us');
    await noteOrphan(bench.pool, { ...told('remembered'), foundBy: 'restore' });
    await noteOrphan(bench.pool, { ...told('told-by-anybody'), token: 'guessed' });
    expect(await nameOf()).toBe('remembered');
  });

  test('may be adopted only where an attempt of ours without an end waits for its name', async () => {
    const waiting = await bench.acceptJob();
    const [grant = ''] = await bench.grant(waiting);
    await beginAttempt(bench.pool, beginOrder(waiting, grant));
    const queued = await bench.acceptJob();
    const ended = await bench.acceptJob();
    await settleJob(bench.pool, ended, { phase: 'cancelled' });
    // Its attempt made a video, which is the first that such an orphan claims to be.
    const finished = await bench.finishJob();
    await bench.keepVideo(finished);
    await settleJob(bench.pool, finished, { phase: 'completed', attempt: 1 });
    const between = await bench.finishJob();
    for (const job of [waiting, queued, ended, finished, between, unknownJob])
      await noteOrphan(bench.pool, orphanOf(job, { operation: `op-${job}` }));
    const all = await listOrphans(bench.pool, 10);
    const belongings = new Map(all.map(({ job, belongsTo }) => [job, belongsTo]));
    expect([waiting, queued, ended, finished, between, unknownJob].map((job) => belongings.get(job))).toEqual([
      'an_attempt',
      'a_job',
      'an_ended_job',
      'an_ended_job',
      'an_ended_attempt',
      'nothing',
    ]);
    await noteOrphan(bench.pool, orphanOf(waiting, { provider: 'another', operation: 'op-of-another' }));
    expect((await findAdoptable(bench.pool, 10)).map(({ job, provider }) => [job, provider])).toEqual([
      [waiting, 'vendor'],
    ]);
    await markAdopted(bench.pool, orphanOf(waiting));
    expect(await findAdoptable(bench.pool, 10)).toEqual([]);
  });

  test('without a name can not be adopted', async () => {
    await noteOrphan(bench.pool, orphanOf(await bench.acceptJob()));
    expect(await findAdoptable(bench.pool, 10)).toEqual([]);
  });

  test('beyond the bound is not noted, and those that are noted go on to be', async () => {
    await noteOrphan(bench.pool, orphanOf(unknownJob));
    await bench.pool.query(
      `INSERT INTO orphans (job, attempt, provider, found_by) SELECT $1, n, 'vendor', 'callback' FROM generate_series(2, $2::int) AS n`,
      [unknownJob, limits.orphansNotedMax],
    );
    expect(await noteOrphan(bench.pool, orphanOf(unknownJob, { provider: 'another' }))).toBe(false);
    expect(await noteOrphan(bench.pool, orphanOf(unknownJob, { said: 'finished' }))).toBe(true);
    // What we remember to have sent is noted before its workflow ends.
    expect(await noteOrphan(bench.pool, orphanOf(unknownJob, { provider: 'ours', foundBy: 'restore' }))).toBe(true);
  });

  test('is forgotten when nothing was heard of it for long', async () => {
    await noteOrphan(bench.pool, orphanOf(unknownJob));
    expect(await forgetOrphans(bench.pool, { daysKept: 90, count: 10 })).toBe(0);
    await bench.pool.query(`UPDATE orphans SET last_at = now() - interval '91 days'`);
    expect(await forgetOrphans(bench.pool, { daysKept: 90, count: 10 })).toBe(1);
  });
});

describe('processes that would work on a database under repair', () => {
  test.each(['worker', 'api'])('are seen: %s', async (name) => {
    const pool = createPool({ url: bench.url, connectionsMax: 1, name, onError: () => undefined });
    await pool.query('SELECT 1');
    expect(await countServiceSessions(bench.pool)).toBe(1);
    await pool.end();
    await until('it has gone', async () => (await countServiceSessions(bench.pool)) === 0);
  });

  test('are seen also where their connection string names them otherwise', async () => {
    const url = new URL(bench.url);
    url.searchParams.set('application_name', 'ours');
    const listener = listenToWakeUps(url.href, () => undefined);
    const seen = await until('it listens', async () => (await countServiceSessions(bench.pool)) || undefined);
    await listener.close();
    expect(seen).toBe(1);
  });
});

test('events are looked for at the end of each tenant’s index', async () => {
  const connection = await bench.pool.connect();
  await connection.query('BEGIN');
  await connection.query(
    `INSERT INTO job_events (job, seq, kind, tenant)
     SELECT 'video_01890a5d-ac96-774b-bcce-b302099a8057', n, 'k', 'default' FROM generate_series(1, 20000) AS n`,
  );
  await connection.query('ANALYZE job_events');
  const { rows } = await connection.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${lateEvents}`.replaceAll('$1', '1000'));
  await connection.query('ROLLBACK');
  connection.release();
  const plan = rows.map((row) => row['QUERY PLAN']).join(' ');
  expect(plan).toContain('Index Scan Backward using job_events_of_tenant');
  expect(plan).toMatch(/Index Cond: [^:]*tx >=/);
});

test('events that another cluster has counted come before all that follow; others are left alone', async () => {
  const job = await bench.acceptJob();
  const { tx } = await bench.row<{ tx: string }>('SELECT tx::text FROM job_events WHERE job = $1', job);
  expect(await settleOldEvents(bench.pool, 10)).toBe(0);
  await bench.pool.query(`UPDATE job_events SET tx = '900000000000', tenant = 'default' WHERE job = $1`, [job]);
  expect(await settleOldEvents(bench.pool, 10)).toBe(1);
  const after = await bench.row<{ tx: string }>('SELECT tx::text FROM job_events WHERE job = $1', job);
  expect(after).toEqual({ tx: '1' });
  expect(BigInt(tx)).toBeGreaterThan(1n);
});
