import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { insertJobs } from '../../src/db/jobs/accept.ts';
import { newUuid } from '../../src/api/new-uuid.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { until } from '../support/until.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench, target } from './api-bench.ts';
import { openSse, type SseReader } from './sse-client.ts';

let bench: ApiBench;
const readers: SseReader[] = [];
/** For a test that would have to wait half a minute otherwise. */
let clockAheadMs = 0;
beforeAll(async () => {
  bench = await openApiBench({ clock: () => Date.now() + clockAheadMs });
});
afterAll(() => bench.close());
afterEach(() => {
  for (const reader of readers.splice(0)) reader.cut();
});

interface Told {
  readonly video_id: string;
  readonly seq: number;
  readonly kind: string;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is wrong with it the tests will see
const toldTo = (reader: SseReader): readonly Told[] => reader.events.map(({ data }) => data as Told);
const namesOf = (reader: SseReader): readonly string[] =>
  toldTo(reader).map(({ video_id, seq }) => `${video_id} ${seq}`);

async function follow(lastId?: string): Promise<SseReader> {
  const reader = await openSse(`${bench.url}/v1/events`, lastId === undefined ? {} : { 'last-event-id': lastId });
  readers.push(reader);
  expect(reader.response.status).toBe(200);
  // It may come back to where it began, though nothing was told yet.
  if (lastId === undefined) await until('its place', () => reader.lastId());
  return reader;
}

async function accept(): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  return id;
}

async function acceptOfOther(tenant: string): Promise<string> {
  const id = `video_${newUuid()}`;
  const request = { prompt: 'a', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' } as const;
  const job = { id, tenant, route: [target], inputImage: null, inputUrl: null, queueTtlSeconds: 60, idempotency: null };
  await bench.database.pool.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [tenant]);
  await insertJobs(bench.database.pool, [{ ...job, request }]);
  return id;
}

const append = 'SELECT append_event($1, $2, $3)';

test('the events of all jobs of the tenant, with whose they are, and of no other tenant', async () => {
  const reader = await follow();
  const [id, other] = [await accept(), await acceptOfOther('other')];
  await beginAttempt(bench, id, 'token-1');
  await completeJob(bench, id);
  await reader.untilEvent('job.completed');
  expect(namesOf(reader)).toEqual([1, 2, 3, 4, 5].map((seq) => `${id} ${seq}`));
  expect(JSON.stringify(reader.events)).not.toContain(other);
  expect((await bench.get(`/v1/videos/${other}/events`)).status).toBe(404);
  expect(reader.events[0]).toEqual({
    id: expect.stringMatching(/^[\w-]{40,300}$/),
    event: 'job.queued',
    data: { video_id: id, seq: 1, at: expect.any(String), kind: 'job.queued', data: {} },
  });
});

test('a slow transaction that commits late is not lost, and what came after it waits for it', async () => {
  const [slow, quick] = [await accept(), await accept()];
  const reader = await follow();
  const ofJob = await openSse(`${bench.url}/v1/videos/${quick}/events`, { 'last-event-id': '1' });
  readers.push(ofJob);
  const connection = await bench.database.pool.connect();
  try {
    await connection.query('BEGIN');
    await connection.query(append, [slow, 'test.slow', {}]);
    await bench.database.pool.query(append, [quick, 'test.quick', {}]);
    // Who follows the one job need not wait for a stranger’s.
    await ofJob.untilEvent('test.quick');
    expect(reader.events.filter(({ event }) => event?.startsWith('test.'))).toEqual([]);
    await connection.query('COMMIT');
  } finally {
    connection.release();
  }
  await reader.untilEvent('test.quick');
  expect(reader.events.map(({ event }) => event).filter((event) => event?.startsWith('test.'))).toEqual([
    'test.slow',
    'test.quick',
  ]);
});

test('the events of a job keep their order, though the later one is of the older transaction', async () => {
  const id = await accept();
  const reader = await follow();
  const [older, younger] = [await bench.database.pool.connect(), await bench.database.pool.connect()];
  try {
    await older.query('BEGIN');
    await older.query('SELECT pg_current_xact_id()');
    await younger.query('BEGIN');
    await younger.query(append, [id, 'test.first', {}]);
    const waiting = older.query(append, [id, 'test.second', {}]);
    await younger.query('COMMIT');
    await waiting;
    await older.query('COMMIT');
  } finally {
    older.release();
    younger.release();
  }
  await reader.untilEvent('test.second');
  await reader.untilEvent('test.first');
  expect(
    toldTo(reader)
      .filter(({ video_id }) => video_id === id)
      .map(({ kind }) => kind)
      .slice(-2),
  ).toEqual(['test.first', 'test.second']);
});

test('writers side by side and readers that are cut: every event once, and each job’s in its order', async () => {
  const ids = await Promise.all(Array.from({ length: 6 }, accept));
  const start = await follow();
  const from = start.lastId();
  const count = 40;
  const write = async (id: string): Promise<void> => {
    for (let written = 0; written < count; written += 1) await bench.database.pool.query(append, [id, 'test.many', {}]);
  };
  const writing = Promise.all(ids.map(write));
  const got: string[] = [];
  const isDone = (): boolean => got.filter((name) => !name.endsWith(' 1')).length >= ids.length * count;
  let lastId = from;
  for (let round = 0; !isDone(); round += 1) {
    const reader = await follow(lastId);
    const wanted = 1 + ((round * 13) % 40);
    await until(
      'some more',
      () => reader.events.length >= wanted || got.length + reader.events.length >= ids.length * count,
    );
    reader.cut();
    got.push(...namesOf(reader));
    lastId = reader.lastId();
  }
  await writing;
  const wanted = ids.flatMap((id) => Array.from({ length: count }, (_, index) => `${id} ${index + 2}`));
  const many = got.filter((name) => !name.endsWith(' 1'));
  expect(many.toSorted()).toEqual(wanted.toSorted());
  for (const id of ids) {
    const seqs = many.filter((name) => name.startsWith(id)).map((name) => Number(name.split(' ')[1]));
    expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
  }
});

test('a long absence is made up for page by page, and goes over into what comes', async () => {
  const id = await accept();
  const reader = await follow();
  const lastId = reader.lastId();
  reader.cut();
  await bench.database.pool.query(`SELECT append_event($1, 'test.missed', '{}') FROM generate_series(1, 1500)`, [id]);
  const back = await follow(lastId);
  await until('all that was missed', () => back.events.filter(({ event }) => event === 'test.missed').length >= 1_500);
  await bench.database.pool.query(append, [id, 'test.live', {}]);
  await back.untilEvent('test.live');
  const seqs = toldTo(back)
    .filter(({ video_id, kind }) => video_id === id && kind.startsWith('test.'))
    .map(({ seq }) => seq);
  expect(seqs).toEqual(Array.from({ length: 1_501 }, (_, index) => index + 2));
});

test('a reader that takes nothing is dropped, and the others notice nothing', async () => {
  const id = await accept();
  const url = new URL(bench.url);
  const slow = connect({ host: url.hostname, port: Number(url.port) });
  slow.on('error', () => undefined);
  slow.write(`GET /v1/events HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
  await new Promise((resolve) => slow.once('data', resolve));
  slow.pause();
  const healthy = await follow();
  const count = 1_000;
  await bench.database.pool.query(
    `SELECT append_event($1, 'test.large', jsonb_build_object('text', repeat('x', 20000))) FROM generate_series(1, $2)`,
    [id, count],
  );
  await until('all of it', () => healthy.events.filter(({ event }) => event === 'test.large').length === count);
  clockAheadMs += 2 * limits.streamUnsentMsMax;
  await until('the slow one is dropped', async () =>
    (await bench.registry.metrics()).includes('spillway_api_streams_ended_total{reason="slow"} 1'),
  );
  expect(healthy.hasEnded()).toBe(false);
  slow.destroy();
});
