import { afterEach, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type ApiBench, openApiBench, target } from './api-bench.ts';

let bench: ApiBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

const wish = { prompt: 'a fox', model: 'wan-2.6' };

/** An account with one slot, and a line of jobs that a minute each is not enough for. */
async function openWithLine(): Promise<ApiBench> {
  const api = await openApiBench();
  const { pool } = api.database;
  await pool.query(`INSERT INTO pools (id, provider, outstanding_max, per_minute_max) VALUES ($1, 'acme', 1, 60)`, [
    target.pool,
  ]);
  await pool.query(`INSERT INTO targets (pool, name) VALUES ($1, $2)`, [target.pool, target.name]);
  await pool.query(`INSERT INTO lanes (pool, class) VALUES ($1, 1)`, [target.pool]);
  const answers = await Promise.all(Array.from({ length: 40 }, async () => await api.post(wish)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  return (bench = api);
}

test('a job that would wait longer than it may is refused, with the wait, and its key can be used again', async () => {
  const api = await openWithLine();
  const headers = { 'idempotency-key': 'later' };
  const refusal = await until('the line is known', async () => {
    const answer = await api.post({ ...wish, queue_ttl_seconds: 600 });
    return answer.status === 429 && answer;
  });
  expect(await refusal.json()).toMatchObject({
    code: 'queue_too_long',
    detail: expect.stringMatching(/would wait some \d{4,5} s, and its queue_ttl_seconds are 600/),
  });
  expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(60);
  expect(refusal.headers.get('x-should-retry')).toBe('false');
  expect((await api.post({ ...wish, queue_ttl_seconds: 600 }, headers)).status).toBe(429);
  expect((await api.post({ ...wish, queue_ttl_seconds: 604_800 }, headers)).status).toBe(202);
});
