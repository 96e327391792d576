import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());

async function accept(): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  return id;
}

/** Whoever waits has said so in the figures of the process. */
const followers = async (): Promise<number> =>
  Number(/^spillway_api_followers (\d+)$/m.exec(await bench.registry.metrics())?.[1]);

test('an answer has a tag, and who has it already is told no more than that', async () => {
  const id = await accept();
  await beginAttempt(bench, id, 'token-1');
  await completeJob(bench, id);
  const first = await bench.get(`/v1/videos/${id}`);
  const etag = first.headers.get('etag') ?? '';
  expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
  for (const known of [etag, etag.slice(2), `"other", ${etag}`, '*']) {
    const response = await bench.get(`/v1/videos/${id}`, { 'if-none-match': known });
    expect(response.status).toBe(304);
    expect(response.headers.get('etag')).toBe(etag);
    expect(await response.text()).toBe('');
  }
  expect((await bench.get(`/v1/videos/${id}`, { 'if-none-match': '"other"' })).status).toBe(200);
});

test('what has changed has another tag', async () => {
  const id = await accept();
  const etag = (await bench.get(`/v1/videos/${id}`)).headers.get('etag') ?? '';
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  const response = await bench.get(`/v1/videos/${id}`, { 'if-none-match': etag });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: 'cancelled' });
});

test('HEAD is answered like GET, without the body', async () => {
  const id = await accept();
  const response = await fetch(`${bench.url}/v1/videos/${id}`, { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100);
  expect(response.headers.get('etag')).not.toBeNull();
});

test('who prefers to wait is answered when the job has ended, and not when it has begun', async () => {
  const id = await accept();
  const before = await followers();
  const answers: { status: string }[] = [];
  const ask = async (): Promise<void> => {
    const response = await bench.get(`/v1/videos/${id}`, { prefer: 'respond-async, wait=30' });
    expect(response.headers.get('preference-applied')).toBe('wait=30');
    expect(response.headers.get('vary')?.toLowerCase()).toContain('prefer');
    answers.push(await response.json());
  };
  const asking = ask();
  await until('somebody waits', async () => (await followers()) === before + 1);
  await beginAttempt(bench, id, 'token-2');
  await until('the API has seen the attempt', async () => {
    const video = await (await bench.get(`/v1/videos/${id}`)).json();
    return video.status === 'in_progress';
  });
  expect(answers).toEqual([]);
  await completeJob(bench, id);
  await asking;
  expect(answers[0]).toMatchObject({ status: 'completed' });
  await until('nobody waits', async () => (await followers()) === before);
});

test('however the wish is written, a wait is none of what is under way', async () => {
  const id = await accept();
  const figure = async (name: string): Promise<number> =>
    Number(new RegExp(`^spillway_api_${name} (\\d+)$`, 'm').exec(await bench.registry.metrics())?.[1]);
  const asking = ['wait=30', 'Wait=30', 'wait = 30'].map((prefer) => bench.get(`/v1/videos/${id}`, { prefer }));
  await until('all wait', async () => (await figure('long_requests')) === 3);
  expect(await figure('in_flight_requests')).toBe(0);
  const head = await fetch(`${bench.url}/v1/videos/${id}`, { method: 'HEAD', headers: { prefer: 'wait=30' } });
  expect(head.headers.get('preference-applied')).toBeNull();
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  for (const answer of await Promise.all(asking)) expect(await answer.json()).toMatchObject({ status: 'cancelled' });
  await until('nobody waits', async () => (await figure('long_requests')) === 0);
});

test('who waits for less is answered in time, with what there is', async () => {
  const id = await accept();
  const start = performance.now();
  const response = await bench.get(`/v1/videos/${id}`, { prefer: 'wait=1' });
  expect(performance.now() - start).toBeGreaterThan(950);
  expect(response.headers.get('preference-applied')).toBe('wait=1');
  expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await response.json()).toMatchObject({ status: 'queued' });
});

test('there is nothing to wait for in a job that has ended, or that does not exist', async () => {
  const id = await accept();
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  const start = performance.now();
  expect((await bench.get(`/v1/videos/${id}`, { prefer: 'wait=30' })).status).toBe(200);
  const missing = 'video_01890000-0000-7000-8000-000000000000';
  expect((await bench.get(`/v1/videos/${missing}`, { prefer: 'wait=30' })).status).toBe(404);
  expect(performance.now() - start).toBeLessThan(15_000);
  expect(await followers()).toBe(0);
});

test.each(['wait=soon', 'wait=', 'return=minimal', 'await=10', 'wait=-5', ''])(
  'a preference that nobody understands, %j, is none',
  async (prefer) => {
    const id = await accept();
    const response = await bench.get(`/v1/videos/${id}`, { prefer });
    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBeNull();
  },
);

test('a client that does not wait for its answer leaves nothing behind', async () => {
  const id = await accept();
  const controller = new AbortController();
  const headers = { prefer: 'wait=30' };
  const asking = fetch(`${bench.url}/v1/videos/${id}`, { headers, signal: controller.signal }).catch(() => undefined);
  await until('somebody waits', async () => (await followers()) === 1);
  controller.abort();
  await asking;
  await until('nobody waits', async () => (await followers()) === 0);
  expect(await followers()).toBe(0);
});

test('a process that stops answers at once whoever waits', async () => {
  const id = await accept();
  const asking = bench.get(`/v1/videos/${id}`, { prefer: 'wait=30' });
  await until('somebody waits', async () => (await followers()) === 1);
  const start = performance.now();
  bench.endStreams();
  expect(await (await asking).json()).toMatchObject({ status: 'queued' });
  // And whoever comes after that.
  const late = await bench.get(`/v1/videos/${id}`, { prefer: 'wait=30' });
  expect(late.headers.get('preference-applied')).toBeNull();
  expect(performance.now() - start).toBeLessThan(15_000);
});
