import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());

interface Page {
  readonly data: readonly { readonly id: string; readonly status: string; readonly model: string }[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

async function list(query = ''): Promise<Page> {
  const response = await bench.get(`/v1/videos${query}`);
  expect(response.status).toBe(200);
  return await response.json();
}

async function accept(model = 'wan-2.6'): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a', model })).json();
  return id;
}

async function acceptMany(count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) ids.push(await accept());
  return ids;
}

const idsOf = ({ data }: Page) => data.map(({ id }) => id);

test('nothing yet is an empty page', async () => {
  expect(await list()).toEqual({
    object: 'list',
    data: [],
    first_id: null,
    last_id: null,
    has_more: false,
    next_cursor: null,
  });
});

test('pages by cursor and by id, either way round, are the whole list', async () => {
  await acceptMany(7);
  const all = idsOf(await list('?limit=100'));
  expect(all).toEqual(all.toSorted().toReversed());
  for (const order of ['asc', 'desc']) {
    for (const key of ['next_cursor', 'last_id'] as const) {
      const found: string[] = [];
      let page = await list(`?limit=3&order=${order}`);
      for (;;) {
        expect(page.first_id).toBe(page.data[0]?.id);
        expect(page.last_id).toBe(page.data.at(-1)?.id);
        found.push(...idsOf(page));
        if (!page.has_more) break;
        page = await list(`?limit=3&order=${order}&after=${page[key]}`);
      }
      expect(page.next_cursor).toBeNull();
      expect(found).toEqual(order === 'desc' ? all : all.toReversed());
    }
  }
});

test('what is accepted meanwhile neither repeats nor hides a video', async () => {
  const before = idsOf(await list('?limit=100'));
  const found: string[] = [];
  let inserting = Promise.resolve('');
  for (let after = ''; ;) {
    const page = await list(`?limit=2${after}`);
    inserting = inserting.then(() => accept());
    found.push(...idsOf(page));
    if (!page.has_more) break;
    after = `&after=${page.next_cursor}`;
  }
  await inserting;
  expect(found).toEqual(before);
});

test('filters by status and by model, with cursors of their own', async () => {
  const [running = '', done = '', cancelled = ''] = await acceptMany(3);
  await beginAttempt(bench, running, 'token-1');
  await beginAttempt(bench, done, 'token-2');
  await completeJob(bench, done);
  await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [cancelled]);
  const other = await accept('other-model');
  expect(idsOf(await list('?status=in_progress'))).toEqual([running]);
  expect(idsOf(await list('?status=completed'))).toEqual([done]);
  expect(idsOf(await list('?status=cancelled&model=wan-2.6'))).toEqual([cancelled]);
  expect(idsOf(await list('?status=cancelled&model=other-model'))).toEqual([]);
  expect(idsOf(await list('?model=other-model'))).toEqual([other]);
  expect(idsOf(await list('?model=no-such-model'))).toEqual([]);
  const queued = idsOf(await list('?status=queued&limit=100'));
  expect(queued).toContain(other);
  expect(queued).not.toContain(running);
  expect(queued).toEqual(queued.toSorted().toReversed());
  const byModel = idsOf(await list('?model=wan-2.6&limit=100&order=asc'));
  expect(byModel).toEqual(idsOf(await list('?limit=100&order=asc')).filter((id) => id !== other));

  const { next_cursor: cursor } = await list('?status=queued&limit=1');
  expect(idsOf(await list(`?status=queued&limit=1&after=${cursor}`))).toEqual([queued[1]]);
  for (const query of ['', 'status=completed&', 'status=queued&order=asc&', 'status=queued&model=wan-2.6&'])
    expect((await bench.get(`/v1/videos?${query}limit=1&after=${cursor}`)).status).toBe(400);
});

test('each is told as if it had been asked for alone, but for its place in line', async () => {
  const { data } = await list('?limit=100');
  for (const { id, ...video } of data) {
    const alone = await (await bench.get(`/v1/videos/${id}`)).json();
    expect({ id, ...video, queue: null, progress: 0 }).toEqual({ ...alone, queue: null, progress: 0 });
  }
});

test('a page has a hundred at most, whatever is asked for', async () => {
  await Promise.all(Array.from({ length: 110 }, () => accept()));
  expect((await list('?limit=5000')).data).toHaveLength(100);
  expect((await list()).data).toHaveLength(20);
});

test.each([
  'limit=0',
  'limit=-1',
  'limit=1.5',
  'limit=x',
  'limit=',
  'limit=1&limit=2',
  'order=up',
  'order=',
  'status=done',
  'model=',
  `model=${'m'.repeat(200)}`,
  'after=',
  'after=x',
  'after=video_1',
  `after=${'A'.repeat(600)}`,
  'page=2',
  'after=%00',
])('%s is refused', async (query) => {
  const response = await bench.get(`/v1/videos?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request' });
});

test('the videos of another tenant are in no page', async () => {
  const [id = ''] = await acceptMany(1);
  await bench.database.pool.query(`INSERT INTO tenants (id) VALUES ('other')`);
  await bench.database.pool.query(`UPDATE jobs SET tenant = 'other' WHERE id = $1`, [id]);
  expect(idsOf(await list('?limit=1'))).not.toContain(id);
  // As a place among ids it is as good as any.
  expect((await list(`?limit=1&after=${id}`)).data[0]?.id).toBe((await list('?limit=1')).data[0]?.id);
});
