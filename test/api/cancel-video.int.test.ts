import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, beginAttempt, completeJob, openApiBench, target } from './api-bench.ts';

let bench: ApiBench;
let stoppable = false;
let priceUsdMicros: number | null = 500_000;
beforeAll(async () => {
  bench = await openApiBench({
    plan: () => ({
      kind: 'planned',
      route: [{ ...target, stoppable, priceUsdMicros }],
      model: 'wan-2.6',
      seconds: 5,
      size: '1280x720',
    }),
  });
});
afterAll(() => bench.close());

const cancel = (id: string) => fetch(`${bench.url}/v1/videos/${id}/cancel`, { method: 'POST' });

async function cancelled(id: string) {
  const response = await cancel(id);
  expect(response.status).toBe(200);
  return await response.json();
}

async function accept(): Promise<string> {
  return (await (await bench.post({ prompt: 'a fox' })).json()).id;
}

async function begun(): Promise<string> {
  const id = await accept();
  await beginAttempt(bench, id, `token-${id}`);
  return id;
}

const run = (sql: string, ...values: readonly unknown[]) => bench.database.pool.query(sql, [...values]);
const settle = (id: string, phase: string) => run('SELECT settle_job($1, $2, NULL, NULL)', id, phase);

describe('the answer to a cancel says what it has come to', () => {
  test('in line: it has ended, and nothing was bought', async () => {
    const id = await accept();
    const cancellation = { state: 'cancelled', provider_stops: true, may_still_cost_usd: 0 };
    expect(await cancelled(id)).toMatchObject({ id, status: 'cancelled', attempts: 0, cost_usd: null, cancellation });
    expect(await cancelled(id)).toMatchObject({ status: 'cancelled', cancellation });
  });

  test('with a permit that was not used: the same, and the permit is free', async () => {
    const id = await accept();
    await run(
      `WITH ticket AS (DELETE FROM tickets WHERE job = $1)
       INSERT INTO permits (job, attempt, pool, target, start_at, price_usd_micros)
       VALUES ($1, 1, 'acme-main', 0, now(), 500000)`,
      id,
    );
    expect(await cancelled(id)).toMatchObject({
      status: 'cancelled',
      cancellation: { state: 'cancelled', may_still_cost_usd: 0 },
    });
    expect((await run('SELECT 1 FROM permits WHERE job = $1', id)).rows).toEqual([]);
  });

  test('while it is submitted, or at work: it is asked to end, and may cost what it was bought for', async () => {
    const id = await begun();
    const cancellation = { state: 'requested', provider_stops: false, may_still_cost_usd: 0.5 };
    expect(await cancelled(id)).toMatchObject({ status: 'in_progress', attempts: 1, cost_usd: null, cancellation });
    await run(`SELECT answer_attempt($1, 1, 'accepted', $2)`, id, `op-${id}`);
    expect(await cancelled(id)).toMatchObject({ status: 'in_progress', cancellation });
    // The workflow hears of it once.
    expect((await run('SELECT kind FROM mailbox WHERE job = $1', id)).rows).toEqual([{ kind: 'cancel' }]);
    await settle(id, 'cancelled');
    expect(await cancelled(id)).toMatchObject({
      status: 'cancelled',
      cancellation: { state: 'cancelled', may_still_cost_usd: 0.5 },
    });
  });

  test('where the provider stops, and where nobody knows the price', async () => {
    stoppable = true;
    priceUsdMicros = null;
    const id = await begun();
    await run('UPDATE attempts SET price_usd_micros = NULL WHERE job = $1', id);
    stoppable = false;
    priceUsdMicros = 500_000;
    expect((await cancelled(id)).cancellation).toEqual({
      state: 'requested',
      provider_stops: true,
      may_still_cost_usd: null,
    });
  });

  test('while its video is stored: the provider is done, and paid', async () => {
    const id = await begun();
    await run(`SELECT end_attempt($1, 1, 'check', 'finished', $2, 'https://acme.test/v.mp4', NULL)`, id, `op-${id}`);
    await run(`SELECT * FROM begin_asset($1, 1, 'assets/default/a.mp4')`, id);
    expect(await cancelled(id)).toMatchObject({
      status: 'in_progress',
      cost_usd: 0.5,
      cancellation: { state: 'requested', may_still_cost_usd: 0 },
    });
  });

  test.each(['completed', 'failed'])('once it is %s: too late, and nothing changes', async (phase) => {
    const id = await begun();
    if (phase === 'completed') await completeJob(bench, id);
    else await run(`SELECT settle_job($1, 'failed', NULL, '{"code":"terminated","retry":"never"}')`, id);
    const before = await (await bench.get(`/v1/videos/${id}`)).json();
    const { cancellation, ...video } = await cancelled(id);
    expect(cancellation).toMatchObject({ state: 'too_late', may_still_cost_usd: phase === 'completed' ? 0 : 0.5 });
    expect(video).toEqual(before);
  });

  test.each([
    ['an id that nobody has', `video_${v7()}`, 404],
    ['no id', 'video_1', 400],
  ])('%s', async (_name, id, status) => {
    expect((await cancel(id)).status).toBe(status);
  });
});

test('a cancel that races the end leaves exactly one end, and tells the truth about it', async () => {
  const ends = { cancelled: 0, requested: 0, too_late: 0 };
  // What was promised, and what may have come of it.
  const possible = {
    cancelled: ['cancelled'],
    requested: ['cancelled', 'completed'],
    too_late: ['completed', 'failed'],
  } as const;
  for (let round = 0; round < 50; round += 1) {
    const id = round % 2 === 0 ? await accept() : await begun();
    const other = async (): Promise<unknown> =>
      round % 2 === 0
        ? await run(`SELECT settle_job($1, 'failed', NULL, '{"code":"queue_deadline","retry":"never"}')`, id)
        : await completeJob(bench, id);
    const [{ cancellation }] = await Promise.all([cancelled(id), cancelled(id), other()]);
    // As its workflow does when it hears of the cancel.
    await settle(id, 'cancelled');
    const { rows } = await run(
      `SELECT phase, (SELECT array_agg(kind) FROM job_events WHERE job = $1
                      AND kind IN ('job.completed', 'job.failed', 'job.cancelled')) AS ends
       FROM jobs WHERE id = $1`,
      id,
    );
    const [{ phase, ends: told }] = rows;
    expect(told).toEqual([`job.${phase}`]);
    const state: keyof typeof ends = cancellation.state;
    ends[state] += 1;
    expect(possible[state]).toContain(phase);
    expect((await run('SELECT 1 FROM tickets WHERE job = $1', id)).rows).toEqual([]);
  }
  expect(Object.values(ends).reduce((sum, count) => sum + count)).toBe(50);
});
