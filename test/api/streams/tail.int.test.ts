import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJobTopics, type JobFollower } from '../../../src/api/streams/job-topics.ts';
import { createTail, type Tail } from '../../../src/api/streams/tail.ts';
import type { TenantEvent } from '../../../src/db/jobs/events.ts';
import type { JobEvent } from '../../../src/db/jobs/read-jobs.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { until } from '../../support/until.ts';
import { type ApiBench, openApiBench } from '../api-bench.ts';

let bench: ApiBench;
let tail: Tail;
beforeAll(async () => {
  bench = await openApiBench();
  tail = createTail(bench.database.pool);
});
afterAll(async () => {
  tail.stop();
  await bench.close();
});

async function accept(): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  return id;
}

const append = `SELECT append_event($1, 'test.event', '{}') FROM generate_series(1, $2::int)`;

test('a transaction that stays open holds back what is settled, and nobody who follows a single job', async () => {
  const id = await accept();
  const told: TenantEvent[] = [];
  const following = await tail.follow('default', (events) => void told.push(...events));
  const holder = await bench.database.pool.connect();
  const count = 3 * limits.eventsReadMax;
  const seen = (isSettled: boolean): number =>
    new Set(told.filter((event) => event.job === id && event.isSettled === isSettled).map(({ seq }) => seq)).size;
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT pg_current_xact_id()');
    await bench.database.pool.query(append, [id, count]);
    await until('all of it, though the horizon does not move', () => seen(false) >= count);
    expect(told.filter(({ kind, isSettled }) => kind === 'test.event' && isSettled)).toEqual([]);
    await bench.database.pool.query(append, [id, 1]);
    await until('what comes behind all that', () => seen(false) >= count + 1);
  } finally {
    await holder.query('COMMIT');
    holder.release();
  }
  await until('all is settled', () => seen(true) >= count + 1);
  const settled = told.filter(({ kind, isSettled }) => kind === 'test.event' && isSettled).map(({ seq }) => seq);
  expect(settled).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 2));
  following.end();
});

function listen(): JobFollower & { readonly events: JobEvent[] } {
  const events: JobEvent[] = [];
  return { events, onEvent: (event) => void events.push(event), onSnapshot() {}, onGone() {} };
}

test('whoever joins in the moment in which the last one leaves is told all the same', async () => {
  const topics = createJobTopics(tail, async () => ({ found: new Map(), later: new Set() }));
  const [one, other] = [await accept(), await accept()].map((id) => ({ id, tenant: 'default' }));
  if (one === undefined || other === undefined) throw new Error('assertion failed: two were accepted');
  const first = await topics.join(one, listen());
  const follower = listen();
  const joining = topics.join(other, follower);
  first.leave();
  const second = await joining;
  second.leave();
  const last = listen();
  // In one step: nothing of the end of the former has happened yet.
  const third = await topics.join(other, last);
  await bench.database.pool.query(append, [other.id, 1]);
  await until('the event', () => last.events.some(({ kind }) => kind === 'test.event'));
  expect(follower.events.filter(({ kind }) => kind === 'test.event')).toEqual([]);
  third.leave();
  topics.stop();
});

test('one that follows while the other who followed ends is told all the same', async () => {
  const id = await accept();
  const told: TenantEvent[] = [];
  const [first, second] = await Promise.all([
    tail.follow('default', () => undefined).then((following) => following.end()),
    tail.follow('default', (events) => void told.push(...events)),
  ]);
  expect(first).toBeUndefined();
  await bench.database.pool.query(append, [id, 1]);
  await until('the event', () => told.some(({ kind, job }) => kind === 'test.event' && job === id));
  second.end();
});

test('a follower that fails keeps no other from what it is told', async () => {
  const id = await accept();
  const told: TenantEvent[] = [];
  const bad = await tail.follow('default', () => {
    throw new Error('a fault of one reader');
  });
  const good = await tail.follow('default', (events) => void told.push(...events));
  await bench.database.pool.query(append, [id, 1]);
  await until('the event', () => told.some(({ kind, job }) => kind === 'test.event' && job === id));
  expect(told.filter(({ kind }) => kind === 'test.event').length).toBeGreaterThan(0);
  bad.end();
  good.end();
});
