import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit } from './auditor.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

const done = 'video_01900000-0000-7000-8000-000000000001';
const open = 'video_01900000-0000-7000-8000-000000000002';
const lost = 'video_01900000-0000-7000-8000-00000000000f';

interface Books {
  counts: { by_vendor: { wavespeed: { outstanding_max: number; started_per_minute_max: number } } };
  submits: { webhook: string; correlation: string; submits: number; created: number }[];
  predictions: {
    id: string;
    vendor: string;
    status: string;
    webhook: string | null;
    correlation: string | null;
    created_at: string;
  }[];
}

const callback = (id: string): string => `http://api.test/v1/callbacks/wavespeed/${id}/token`;

/** The provider's own books of a sound world: it has made the one video. */
function soundBooks(): Books {
  return {
    counts: { by_vendor: { wavespeed: { outstanding_max: 1, started_per_minute_max: 1 } } },
    submits: [{ webhook: callback(`${done}.1`), correlation: `${done}.1`, submits: 1, created: 1 }],
    predictions: [
      {
        id: 'operation-1',
        vendor: 'wavespeed',
        status: 'completed',
        webhook: callback(`${done}.1`),
        correlation: `${done}.1`,
        created_at: '2100-01-01T00:00:00Z',
      },
    ],
  };
}

let database: TestDatabase;
let vendor: Server;
let simulator: string;
let books = soundBooks();

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(soundWorld);
  vendor = createServer((request, response) => {
    const part = (request.url ?? '').replace('/control/', '');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(Reflect.get(books, part)));
  });
  await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve));
  const address = vendor.address();
  simulator = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
});
afterAll(async () => {
  await new Promise((resolve) => vendor.close(resolve));
  await database.drop();
});

/** One job that was made and paid for under a cap and a budget, one in line. By the functions that carry the safety. */
const soundWorld = `
  INSERT INTO pools (id, provider, outstanding_max, per_minute_max) VALUES ('pool', 'wavespeed', 1, 60);
  UPDATE budgets SET cap_usd_micros = 1000000, committed_usd_micros = 500000;
  UPDATE tenants SET day_budget_usd_micros = 1000000, month_budget_usd_micros = 1000000;
  INSERT INTO spending (tenant, period, starts_on, committed_usd_micros)
  VALUES ('default', 'day', budget_day(now()), 1000000),
         ('default', 'month', date_trunc('month', budget_day(now())::timestamp), 1000000);
  INSERT INTO jobs (id, tenant, model, request, route, priority, queue_deadline)
  SELECT id, 'default', 'wan-2.6', '{}', '[]', 1, now() + interval '1 day' FROM unnest(ARRAY['${done}', '${open}']) AS new(id);
  INSERT INTO job_events (job, seq, kind) SELECT id, 1, 'job.queued' FROM jobs;
  INSERT INTO tickets (job, attempt, tenant, pool, target, priority, kind, accepted_at, queue_deadline, price_usd_micros,
                       reserved_usd_micros)
  VALUES ('${open}', 1, 'default', 'pool', 0, 1, 'first', now(), now() + interval '1 day', 500000, 500000);
  INSERT INTO permits (job, attempt, pool, target, start_at, price_usd_micros, reserved_usd_micros)
  VALUES ('${done}', 1, 'pool', 0, now(), 500000, 500000);
  SELECT begin_attempt('${done}', 1, (SELECT grant_id FROM permits), 'target', 'wavespeed', 'token', 1, '10 minutes');
  SELECT answer_attempt('${done}', 1, 'accepted', 'operation-1');
  SELECT end_attempt('${done}', 1, 'callback', 'finished', 'operation-1', 'https://video.test/1.mp4', NULL);
  SELECT begin_asset('${done}', 1, 'assets/done.mp4');
  SELECT keep_asset('${done}', 1, 'assets/done.mp4', 'video/mp4', 5, sha256('video'));
  SELECT settle_job('${done}', 'completed', 1, NULL);
`;

/** What the database itself forbids has to be allowed before it can be planted. */
const withoutConstraints = `
  ALTER TABLE jobs DROP CONSTRAINT finished_exactly_when_final, DROP CONSTRAINT completed_names_its_attempt;
  ALTER TABLE tickets DROP CONSTRAINT one_waiting_ticket_a_job;
  ALTER TABLE attempts DROP CONSTRAINT an_operation_is_adopted_once;
`;

/** Plants, audits and takes everything back. */
async function auditPlanted(sql: string, accepted: readonly string[] = [done]): Promise<readonly string[]> {
  const connection = await database.pool.connect();
  try {
    await connection.query('BEGIN');
    await connection.query(`${withoutConstraints} ${sql}`);
    return await audit({ pool: connection, simulator, accepted });
  } finally {
    await connection.query('ROLLBACK');
    connection.release();
  }
}

const permit = (job: string, attempt: number): string =>
  `INSERT INTO permits (job, attempt, pool, target, start_at) VALUES ('${job}', ${attempt}, 'pool', 0, now());`;
const event = (job: string, kind: string): string => `SELECT append_event('${job}', '${kind}', '{"attempt": 1}');`;
const begun = (job: string, attempt: number, operation: string): string => `
  INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token, state, operation)
  VALUES ('${job}', ${attempt}, 'default', 'pool', 0, 'target', 'wavespeed', 'token', 'accepted', '${operation}');
  SELECT append_event('${job}', 'attempt.started', '{"attempt": ${attempt}}');`;

test('a sound world is sound', async () => {
  expect(await auditPlanted('')).toEqual([]);
});

describe('a violation in the database is found', () => {
  test('a lost job', async () => {
    expect(await auditPlanted('', [done, lost])).toEqual([`a job was accepted and is lost: ${lost}`]);
  });

  test('a job that has not ended', async () => {
    expect(await auditPlanted('', [open])).toEqual([`an accepted job has not ended: ${open} is queued`]);
  });

  test.each([
    [
      'a job is open after its deadline',
      `UPDATE jobs SET queue_deadline = now() - interval '1 hour' WHERE id = '${open}'`,
    ],
    ['phase and end contradict', `UPDATE jobs SET finished_at = NULL WHERE id = '${done}'`],
    ['phase and end contradict', `UPDATE jobs SET finished_at = now() WHERE id = '${open}'`],
    ['phase and end contradict', `UPDATE jobs SET failure = '{"code": "auth"}' WHERE id = '${done}'`],
    ['phase and end contradict', `UPDATE jobs SET served_attempt = NULL WHERE id = '${done}'`],
    ['phase and ledger contradict', `UPDATE jobs SET started_at = NULL WHERE id = '${done}'`],
    ['phase and ledger contradict', `UPDATE jobs SET run_deadline = NULL WHERE id = '${done}'`],
    ['phase and ledger contradict', `UPDATE jobs SET phase = 'in_progress' WHERE id = '${open}'`],
    ['completed by an attempt that made no video', `UPDATE attempts SET outcome = 'lost' WHERE job = '${done}'`],
    ['completed by an attempt that made no video', `UPDATE jobs SET served_attempt = 2 WHERE id = '${done}'`],
    ['without a copy of its video', `DELETE FROM assets`],
    ['without a copy of its video', `UPDATE assets SET stored_at = NULL`],
    ['without a copy of its video', `UPDATE assets SET stored_at = now() + interval '1 hour'`],
    ['without a copy of its video', `UPDATE assets SET removed_at = now()`],
    ['without a copy of its video', `UPDATE jobs SET served_attempt = 2 WHERE id = '${done}'`],
    ['a copy that serves nobody', `UPDATE jobs SET phase = 'cancelled', served_attempt = NULL WHERE id = '${done}'`],
    ['contradict each other on a copy', event(done, 'asset.stored')],
    ['contradict each other on a copy', `UPDATE job_events SET kind = 'other' WHERE kind = 'asset.stored'`],
    ['contradict each other on a copy', `UPDATE assets SET stored_at = NULL, failure = '{"code": "output_expired"}'`],
    ['not numbered from 1', `UPDATE jobs SET event_seq = 9 WHERE id = '${done}'`],
    ['not numbered from 1', `UPDATE job_events SET seq = 9 WHERE job = '${done}' AND seq = 3`],
    ['does not begin with its acceptance', `UPDATE job_events SET kind = 'other' WHERE job = '${open}'`],
    ['not exactly the one final event', event(done, 'job.completed')],
    ['not exactly the one final event', event(done, 'job.cancelled')],
    ['not exactly the one final event', event(open, 'job.failed')],
    ['not exactly the one final event', `UPDATE job_events SET kind = 'other' WHERE kind = 'job.completed'`],
    ['went on after the end', event(done, 'asset.stored')],
    ['went on after the end', `${permit(done, 2)} ${begun(done, 2, 'operation-2')}`],
    ['ledger and story contradict', event(done, 'attempt.started')],
    ['ledger and story contradict', event(done, 'attempt.ended')],
    ['ledger and story contradict', event(open, 'attempt.started')],
    ['ledger and story contradict', `UPDATE job_events SET kind = 'other' WHERE kind = 'attempt.started'`],
    ['an operation was adopted twice', `${permit(open, 1)} ${begun(open, 1, 'operation-1')}`],
    ['holds no permit', begun(open, 1, 'operation-2')],
    ['a permit has no live attempt', permit(done, 1)],
    ['a permit has no live attempt', permit(done, 2)],
    ['not marked as a zombie', permit(done, 2)],
    ['more permits than its limit', `${permit(open, 1)} ${permit(open, 2)}`],
    [
      'several waiting tickets',
      `INSERT INTO tickets (job, attempt, tenant, pool, target, priority, kind, accepted_at, queue_deadline)
      SELECT job, 2, tenant, pool, target, priority, 'retry', accepted_at, queue_deadline FROM tickets`,
    ],
    ['a first ticket is not that of the acceptance', `UPDATE tickets SET attempt = 2`],
    ['a first ticket is not that of the acceptance', `UPDATE tickets SET kind = 'retry'`],
    ['still waits in line', `UPDATE tickets SET job = '${done}'`],
    ['still has mail', `INSERT INTO mailbox (job, kind) VALUES ('${done}', 'cancel')`],
    [
      'an idempotency key names',
      `INSERT INTO idempotency_keys (tenant, key, job, fingerprint) VALUES ('default', 'key', '${lost}', '')`,
    ],
    [
      'contradict each other on an ambiguous submit',
      `SELECT append_event('${done}', 'attempt.unknown', '{"attempt": 1}')`,
    ],
    ['contradict each other on an ambiguous submit', `UPDATE attempts SET state = 'unknown' WHERE job = '${done}'`],
    ['nobody’s policy', `UPDATE attempts SET possible_duplicate = true WHERE job = '${done}'`],
    ['wrong cost', `UPDATE attempts SET cost_usd_micros = 0 WHERE job = '${done}'`],
    [
      'wrong cost',
      `UPDATE jobs SET route = '[{"bills": {"failed": "full"}}]'; UPDATE attempts SET outcome = 'failed', cost_usd_micros = 0`,
    ],
    ['a job cost more than it may', `UPDATE jobs SET request = '{"max_cost_usd": 0.49}'`],
    ['still holds a part of a budget', `UPDATE jobs SET held_usd_micros = 1 WHERE id = '${done}'`],
    ['is not what its jobs of that day hold', `UPDATE spending SET committed_usd_micros = 999999`],
    ['is not what its jobs of that day hold', `DELETE FROM spending`],
    ['is not what its jobs of that day hold', `UPDATE tickets SET reserved_usd_micros = NULL`],
    [
      'is not what its jobs of that day hold',
      `INSERT INTO spending_refunds (tenant, on_day, usd_micros) VALUES ('default', budget_day(now()), 1)`,
    ],
    ['is not the sum of its days', `UPDATE spending SET committed_usd_micros = 0 WHERE period = 'month'`],
    ['committed more than its budget', `UPDATE tenants SET day_budget_usd_micros = 999999`],
    ['committed more than its budget', `UPDATE tenants SET month_budget_usd_micros = 999999`],
    ['the budget does not add up', `UPDATE budgets SET committed_usd_micros = 0`],
    ['the budget does not add up', `UPDATE budgets SET cap_usd_micros = 1`],
    ['the budget does not add up', `INSERT INTO refunds (budget, usd_micros) VALUES ('global', 500000)`],
  ])('%s: %s', async (says, sql) => {
    expect((await auditPlanted(sql)).join('\n')).toContain(says);
  });
});

test('what an ambiguous submit made at a vendor that says of nothing whose it is has its row, and no second thing has', async () => {
  const [made] = soundBooks().predictions;
  if (made === undefined) throw new Error('the sound books are empty');
  const anonymous = { ...made, id: 'operation-2', correlation: null };
  const ambiguous = `UPDATE attempts SET state = 'unknown', operation = NULL, outcome = 'lost', evidence = 'longest_duration'
                     WHERE job = '${done}'`;
  books = { ...soundBooks(), predictions: [anonymous] };
  const one = (await auditPlanted(ambiguous)).join('\n');
  books = { ...soundBooks(), predictions: [anonymous, { ...anonymous, id: 'operation-3' }] };
  const two = (await auditPlanted(ambiguous)).join('\n');
  books = soundBooks();
  expect(one).not.toContain('not in the ledger');
  expect(two).toContain('not in the ledger: operation-3');
});

describe('a violation in the books of the provider is found', () => {
  const [submit] = soundBooks().submits;
  const [made] = soundBooks().predictions;
  if (submit === undefined || made === undefined) throw new Error('the sound books are empty');
  const { wavespeed } = soundBooks().counts.by_vendor;
  const countsOf = (changes: Partial<typeof wavespeed>): Partial<Books> => ({
    counts: { by_vendor: { wavespeed: { ...wavespeed, ...changes } } },
  });

  test.each<[string, Partial<Books>, string?]>([
    ['outstanding at wavespeed than its limit', countsOf({ outstanding_max: 2 })],
    ['started in a minute at wavespeed than its limit', countsOf({ started_per_minute_max: 61 })],
    ['submitted more than once', { submits: [{ ...submit, submits: 2 }] }],
    ['submitted more than once', { submits: [submit, { ...submit, webhook: `${submit.webhook}2` }] }],
    ['no row in the ledger', { submits: [{ ...submit, correlation: `${open}.1` }] }],
    ['no row in the ledger', { submits: [{ ...submit, webhook: callback('other').replace('token', 'guess') }] }],
    ['not in the ledger', { predictions: [made, { ...made, id: 'operation-2', correlation: `${open}.1` }] }],
    ['not in the ledger', { predictions: [made, { ...made, id: 'operation-2', correlation: null }] }],
    ['came after the submit', { predictions: [{ ...made, created_at: '2000-01-01T00:00:00Z' }] }],
    ['another operation', { predictions: [made, { ...made, id: 'operation-2' }] }],
    ['says refused', {}, `UPDATE attempts SET state = 'refused' WHERE job = '${done}'`],
    ['without a permit', { predictions: [{ ...made, status: 'processing' }] }],
    ['outlives its job', {}, permit(done, 1)],
    ['does not know', { predictions: [] }],
    ['the provider says failed', { predictions: [{ ...made, status: 'failed' }] }],
  ])('%s', async (says, changes, sql = '') => {
    books = { ...soundBooks(), ...changes };
    try {
      expect((await auditPlanted(sql)).join('\n')).toContain(says);
    } finally {
      books = soundBooks();
    }
  });
});
