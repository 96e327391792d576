import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';
import { openSse, type SseReader } from './sse-client.ts';

let bench: ApiBench;
const readers: SseReader[] = [];
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());
afterEach(() => {
  for (const reader of readers.splice(0)) reader.cut();
});

async function accept(): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  return id;
}

async function follow(id: string, headers: Record<string, string> = {}): Promise<SseReader> {
  const reader = await openSse(`${bench.url}/v1/videos/${id}/events`, headers);
  readers.push(reader);
  return reader;
}

const kindsOf = (reader: SseReader) => reader.numbered().map(({ id, event }) => `${id} ${event}`);

const story = ['1 job.queued', '2 attempt.started', '3 attempt.ended', '4 asset.stored', '5 job.completed'];

test('the whole story of a job: dense ids, the video beside them and last before the end, then the end', async () => {
  const id = await accept();
  const reader = await follow(id);
  expect(reader.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(reader.response.headers.get('cache-control')).toContain('no-store');
  expect(reader.response.headers.get('x-accel-buffering')).toBe('no');
  await reader.untilEvent('job.queued');
  await beginAttempt(bench, id, 'token-1');
  await reader.untilEvent('attempt.started');
  await until('the video is told as in progress', () =>
    reader.events.some(
      ({ event, data }) => event === 'video' && JSON.stringify(data).includes('"status":"in_progress"'),
    ),
  );
  await completeJob(bench, id);
  await reader.untilEnd();
  expect(kindsOf(reader)).toEqual(story);
  expect(reader.numbered()[1]?.data).toEqual({
    seq: 2,
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    kind: 'attempt.started',
    data: { attempt: 1, target: 'acme/wan-2.6' },
  });
  expect(reader.events[0]).toMatchObject({ event: 'video', data: { id, status: 'queued' } });
  expect(reader.events.at(-2)).toMatchObject({
    id: undefined,
    event: 'video',
    data: { id, status: 'completed', progress: 100 },
  });
  expect(reader.events.at(-1)).toMatchObject({ id: '5', event: 'job.completed' });
  expect(reader.retries[0]).toBeGreaterThanOrEqual(1_000);
  expect(reader.retries[0]).toBeLessThanOrEqual(5_000);
});

test('a job that is over is told from the start, and only what is missing to whoever comes back', async () => {
  const id = await accept();
  await beginAttempt(bench, id, 'token-2');
  await completeJob(bench, id);
  const whole = await follow(id);
  await whole.untilEnd();
  expect(kindsOf(whole)).toEqual(story);
  const rest = await follow(id, { 'last-event-id': '3' });
  await rest.untilEnd();
  expect(kindsOf(rest)).toEqual(story.slice(3));
  expect(rest.events[0]).toMatchObject({ event: 'video', data: { status: 'completed' } });
  const byUrl = await openSse(`${bench.url}/v1/videos/${id}/events?last_event_id=4`);
  await byUrl.untilEnd();
  expect(kindsOf(byUrl)).toEqual(story.slice(4));
});

test('whoever has the end already is told not to come back', async () => {
  const id = await accept();
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  for (const seen of ['2', '7']) {
    const response = await bench.get(`/v1/videos/${id}/events`, { 'last-event-id': seen });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
  }
});

test('an event that comes after the end, when a late callback does, is not part of the story', async () => {
  const id = await accept();
  await beginAttempt(bench, id, 'token-3');
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  await bench.database.pool.query(`SELECT end_attempt($1, 1, 'check', 'lost', NULL, NULL, NULL)`, [id]);
  const reader = await follow(id);
  await reader.untilEnd();
  expect(kindsOf(reader)).toEqual(['1 job.queued', '2 attempt.started', '3 job.cancelled']);
  expect((await bench.get(`/v1/videos/${id}/events`, { 'last-event-id': '3' })).status).toBe(204);
});

test('connections that are cut again and again lose no event and change no order', async () => {
  const id = await accept();
  await beginAttempt(bench, id, 'token-4');
  const total = 120;
  let cuts = 0;
  const write = async (): Promise<void> => {
    for (let count = 0; count < total; count += 1) {
      // No faster than connections are cut, so that all of them see something of it.
      await until('another cut', () => count < 10 * (cuts + 1), { everyMs: 1 });
      await bench.database.pool.query(`SELECT append_event($1, 'test.event', '{}')`, [id]);
    }
    await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
  };
  const writing = write();
  const got: string[] = [];
  for (let lastId: string | undefined; ; cuts += 1) {
    const reader = await follow(id, lastId === undefined ? {} : { 'last-event-id': lastId });
    if (reader.response.status === 204) break;
    const wanted = 1 + ((cuts * 7) % 5);
    await until('some events', () => reader.numbered().length >= wanted || reader.hasEnded(), { everyMs: 1 });
    reader.cut();
    got.push(...reader.numbered().map((event) => event.id ?? ''));
    lastId = reader.lastId() ?? lastId;
  }
  await writing;
  expect(cuts).toBeGreaterThan(10);
  expect(got).toEqual(Array.from({ length: total + 3 }, (_, index) => String(index + 1)));
});

test('twenty readers of one job are told the same, and it is read once for all', async () => {
  const id = await accept();
  const all = await Promise.all(Array.from({ length: 20 }, () => follow(id)));
  const refused = await bench.get(`/v1/videos/${id}/events`);
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ code: 'too_many_streams' });
  await beginAttempt(bench, id, 'token-5');
  await completeJob(bench, id);
  for (const reader of all) {
    await reader.untilEnd();
    expect(kindsOf(reader)).toEqual(story);
  }
  // Their places are free again.
  await until(
    'a place',
    async () => (await bench.get(`/v1/videos/${id}/events`, { 'last-event-id': '9' })).status === 204,
  );
});

test('no words of a change are needed: whoever deletes the job ends its streams', async () => {
  const id = await accept();
  const reader = await follow(id);
  await reader.untilEvent('job.queued');
  await bench.database.pool.query('DELETE FROM jobs WHERE id = $1', [id]);
  await reader.untilEnd();
  expect(kindsOf(reader)).toEqual(story.slice(0, 1));
});

test.each(['abc', '-1', '1.5', '9999999999', '1 2'])('a last event id that is none, %j, is refused', async (id) => {
  const video = await accept();
  const response = await bench.get(`/v1/videos/${video}/events`, { 'last-event-id': id });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/last-event-id' }] });
});

test('a video that is not there has no events; a HEAD is answered and holds nothing open', async () => {
  expect((await bench.get('/v1/videos/video_01890000-0000-7000-8000-000000000000/events')).status).toBe(404);
  const id = await accept();
  const head = await fetch(`${bench.url}/v1/videos/${id}/events`, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers.get('content-type')).toContain('text/event-stream');
});

test('a process that stops sends its readers away with the moment to come back', async () => {
  const other = await openApiBench();
  try {
    const { id } = await (await other.post({ prompt: 'a' })).json();
    const reader = await openSse(`${other.url}/v1/videos/${id}/events`);
    await reader.untilEvent('job.queued');
    other.endStreams();
    await reader.untilEnd();
    expect(reader.retries).toHaveLength(2);
    expect(reader.lastId()).toBe('1');
    // Whoever was on the way already is sent away likewise, and not with an error.
    const late = await openSse(`${other.url}/v1/videos/${id}/events`);
    expect(late.response.status).toBe(200);
    await late.untilEnd();
  } finally {
    await other.close();
  }
});
