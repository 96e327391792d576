import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

let bench: ApiBench;
let queried: () => Promise<unknown>;
beforeAll(async () => {
  bench = await openApiBench({
    servedBySimulator: true,
    queryTimeline: () => queried(),
  });
  await bench.database.pool.query(
    "INSERT INTO pools (id, provider, outstanding_max, per_minute_max) VALUES ('acme-main', 'acme', 10, 60)",
  );
});
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.database.pool.query('DELETE FROM tickets');
  queried = async () => ({ attempts: [] });
});

async function newVideo(fields = {}): Promise<string> {
  const response = await bench.post({ prompt: 'a fox', ...fields });
  const { id } = await response.json();
  return id;
}

async function completedVideo(): Promise<string> {
  const id = await newVideo();
  await beginAttempt(bench, id, 'token');
  await completeJob(bench, id);
  return id;
}

const sha256Of = (text: string) => createHash('sha256').update(text).digest('hex');
const read = async (path: string) => (await bench.get(path)).json();
const cancel = (id: string) => fetch(`${bench.url}/v1/videos/${id}/cancel`, { method: 'POST' });

test('a waiting job knows its place, by priority and then arrival', async () => {
  const ids = [await newVideo(), await newVideo(), await newVideo({ priority: 'high' })];
  const queues = async () => (await Promise.all(ids.map((id) => read(`/v1/videos/${id}`)))).map(({ queue }) => queue);
  // A minute in half of all cases, one start a second. The view of the line is of a moment ago.
  await expect.poll(queues, { timeout: 10_000 }).toEqual([
    { position: 2, eta_seconds: 76, reason: 'waiting_capacity' },
    { position: 3, eta_seconds: 77, reason: 'waiting_capacity' },
    { position: 1, eta_seconds: 75, reason: 'waiting_capacity' },
  ]);
});

test('a job that the cap on spending holds back says so, until there is room', async () => {
  let now = 0;
  const capped = await openApiBench({ clock: () => now });
  try {
    const { id } = await (await capped.post({ prompt: 'a fox' })).json();
    const queueUnder = async (capUsdMicros: number) => {
      await capped.database.pool.query("UPDATE budgets SET cap_usd_micros = $1 WHERE id = 'global'", [capUsdMicros]);
      now += 10_000;
      return (await (await capped.get(`/v1/videos/${id}`)).json()).queue;
    };
    expect(await queueUnder(499_999)).toEqual({ position: 1, eta_seconds: null, reason: 'waiting_budget' });
    expect(await queueUnder(500_000)).toMatchObject({ position: 1, reason: 'waiting_capacity' });
  } finally {
    await capped.close();
  }
});

test('a job under way shows its progress, and goes by its tag', async () => {
  const id = await newVideo();
  await beginAttempt(bench, id, 'token');
  await bench.database.pool.query("UPDATE jobs SET started_at = now() - interval '30 s' WHERE id = $1", [id]);
  const response = await bench.get(`/v1/videos/${id}`);
  expect(await response.json()).toMatchObject({
    status: 'in_progress',
    progress: 40,
    queue: null,
    attempts: 1,
    cost_usd: null,
    estimated_cost_usd: 0.5,
    served_by: null,
  });
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(2);
  // Left alone, fetch adds a `no-cache` that asks for the whole answer.
  const headers = { 'if-none-match': response.headers.get('etag') ?? '', 'cache-control': 'max-age=0' };
  const again = await bench.get(`/v1/videos/${id}`, headers);
  expect(again.status).toBe(304);
});

test('a completed job names who made it, and where it is', async () => {
  const id = await completedVideo();
  const response = await bench.get(`/v1/videos/${id}`);
  expect(response.headers.get('retry-after')).toBeNull();
  expect(await response.json()).toMatchObject({
    status: 'completed',
    progress: 100,
    completed_at: expect.any(Number),
    served_by: { provider: 'simulator', model: 'alibaba/wan-2.6' },
    outputs: [{ url: `/v1/videos/${id}/content`, content_type: 'video/mp4', bytes: 5, sha256: sha256Of('video') }],
    cost_usd: 0.5,
    error: null,
  });
});

test('a completed job says until when it is kept, and lists nothing once that is over', async () => {
  const id = await completedVideo();
  const { expires_at: expiresAt } = await read(`/v1/videos/${id}`);
  expect(Math.abs(expiresAt - Date.now() / 1_000 - 30 * 86_400)).toBeLessThan(60);
  await bench.database.pool.query('UPDATE assets SET expires_at = to_timestamp(1e9) WHERE job = $1', [id]);
  expect(await read(`/v1/videos/${id}`)).toMatchObject({ status: 'completed', expires_at: 1e9, outputs: [] });
});

test('a job that is not completed shows nothing of a copy that was begun', async () => {
  const id = await newVideo();
  await beginAttempt(bench, id, 'token');
  await bench.database.pool.query(`SELECT begin_asset($1, 1, 'assets/default/x/1.mp4')`, [id]);
  expect(await read(`/v1/videos/${id}`)).toMatchObject({ status: 'in_progress', expires_at: null, outputs: [] });
});

test('a failed job says why in a sentence of ours', async () => {
  const id = await newVideo();
  await bench.database.pool.query(`SELECT settle_job($1, 'failed', NULL, '{"code":"moderation","retry":"never"}')`, [
    id,
  ]);
  expect(await read(`/v1/videos/${id}`)).toMatchObject({
    status: 'failed',
    error: { code: 'moderation', message: expect.stringContaining('content policy') },
  });
});

test('an erased job keeps its skeleton', async () => {
  const id = await completedVideo();
  await bench.database.pool.query('UPDATE jobs SET request = NULL WHERE id = $1', [id]);
  expect(await read(`/v1/videos/${id}`)).toMatchObject({
    status: 'completed',
    prompt: null,
    seconds: null,
    metadata: {},
  });
});

test('a waiting job is cancelled at once, one under way is asked to end, a final one stays', async () => {
  const waiting = await newVideo();
  expect(await (await cancel(waiting)).json()).toMatchObject({ status: 'cancelled', queue: null });
  expect(await (await cancel(waiting)).json()).toMatchObject({ status: 'cancelled' });

  const running = await newVideo();
  await beginAttempt(bench, running, 'token');
  const told = bench.told.mail;
  expect(await (await cancel(running)).json()).toMatchObject({ status: 'in_progress' });
  expect(bench.told.mail).toBe(told + 1);
  const { rows } = await bench.database.pool.query('SELECT kind FROM mailbox WHERE job = $1', [running]);
  expect(rows).toEqual([{ kind: 'cancel' }]);

  const completed = await completedVideo();
  expect(await (await cancel(completed)).json()).toMatchObject({ status: 'completed' });
});

test('the timeline tells events, attempts and what the workflow knows', async () => {
  const id = await completedVideo();
  const timeline = await read(`/v1/videos/${id}/timeline`);
  expect(timeline.events.map(({ seq, kind }: { seq: number; kind: string }) => [seq, kind])).toEqual([
    [1, 'job.queued'],
    [2, 'attempt.started'],
    [3, 'attempt.ended'],
    [4, 'asset.stored'],
    [5, 'job.completed'],
  ]);
  expect(timeline).toMatchObject({
    object: 'video.timeline',
    status: 'completed',
    attempts: [
      {
        attempt: 1,
        target: 'acme/wan-2.6',
        provider: 'simulator',
        state: 'accepted',
        outcome: 'finished',
        failure_code: null,
        cost_usd: 0.5,
      },
    ],
    workflow: { attempts: [] },
  });
  expect(JSON.stringify(timeline)).not.toContain('token');
});

test('the timeline tells why a job does not get on, since when, and no more than its owner may know', async () => {
  const id = await newVideo();
  expect(await read(`/v1/videos/${id}/timeline`)).toMatchObject({ status: 'queued', stuck: null });
  const earlier = `accepted_at = accepted_at - interval '1 hour'`;
  await bench.database.pool.query(`UPDATE tickets SET ${earlier} WHERE job = $1`, [id]);
  await bench.database.pool.query(`UPDATE jobs SET ${earlier} WHERE id = $1`, [id]);
  const { stuck } = await read(`/v1/videos/${id}/timeline`);
  expect(stuck).toEqual({
    cause: 'waiting_capacity',
    since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    sentence: expect.stringContaining('waits for room'),
  });
  expect(Date.now() - Date.parse(stuck.since)).toBeGreaterThan(3_590_000);
  expect(JSON.stringify(stuck)).not.toContain('npm run');
  const completed = await completedVideo();
  expect(await read(`/v1/videos/${completed}/timeline`)).toMatchObject({ stuck: null });
});

test.each([
  ['fails', () => Promise.reject(new Error('no workflow'))],
  ['is silent', () => new Promise(() => undefined)],
])('a workflow that %s does not hold the timeline up', async (_name, query) => {
  const id = await completedVideo();
  queried = query;
  const start = Date.now();
  expect(await read(`/v1/videos/${id}/timeline`)).toMatchObject({ status: 'completed', workflow: null });
  expect(Date.now() - start).toBeLessThan(2_500);
});

test('what an operator wished is no part of the timeline, also where a workflow of another release tells it', async () => {
  const id = await completedVideo();
  const attempts = [{ number: 1 }];
  queried = async () => ({ attempts, wish: { id: 'switchTarget api key canary' } });
  expect(await read(`/v1/videos/${id}/timeline`)).toMatchObject({ workflow: { attempts } });
  expect(JSON.stringify(await read(`/v1/videos/${id}/timeline`))).not.toContain('canary');
});

test('content before its time is a conflict', async () => {
  const id = await newVideo();
  const response = await bench.get(`/v1/videos/${id}/content`);
  expect([response.status, (await response.json()).code]).toEqual([409, 'video_not_ready']);
});

const absent = `video_${uuidv7()}`;
const paths = ['', '/timeline', '/content', '/cancel'];

test.each(paths)('a video that does not exist is a 404: %s', async (path) => {
  const response = await fetch(`${bench.url}/v1/videos/${absent}${path}`, {
    method: path === '/cancel' ? 'POST' : 'GET',
  });
  expect([response.status, (await response.json()).code]).toEqual([404, 'video_not_found']);
});

test.each(paths)('the video of another tenant does not exist: %s', async (path) => {
  const id = await completedVideo();
  await bench.database.pool.query("UPDATE jobs SET tenant = 'other' WHERE id = $1", [id]);
  const response = await fetch(`${bench.url}/v1/videos/${id}${path}`, { method: path === '/cancel' ? 'POST' : 'GET' });
  expect(response.status).toBe(404);
});

test.each([
  '1',
  'video_',
  absent.toUpperCase(),
  `${absent}x`,
  "video_'%20OR%201=1",
  '%00',
  'video_%F0%9F%A6%8A',
  uuidv7(),
])('a malformed id is a 400 that says so: %s', async (id) => {
  for (const path of paths) {
    const response = await fetch(`${bench.url}/v1/videos/${id}${path}`, {
      method: path === '/cancel' ? 'POST' : 'GET',
    });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { code: 'invalid_id', errors: [{ pointer: '/id' }] },
    ]);
  }
});

test('a path that can not be decoded is a 400', async () => {
  const response = await bench.get('/v1/videos/%ff');
  expect([response.status, (await response.json()).code]).toEqual([400, 'invalid_path']);
});
