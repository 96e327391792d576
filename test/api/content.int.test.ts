import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

const video = 'a video of 26 bytes, whole';
const digest = createHash('sha256').update(video).digest();
const etag = `"${digest.toString('hex')}"`;

let bench: ApiBench;
let open: ObjectStore['open'] | undefined;
let links: ObjectStore['links'];
beforeAll(async () => {
  bench = await openApiBench({
    storeOf: (store) =>
      new Proxy(store, {
        get(target, name, receiver): unknown {
          if (name === 'links') return links;
          return name === 'open' && open !== undefined ? open : Reflect.get(target, name, receiver);
        },
      }),
  });
});
afterAll(() => bench.close());
beforeEach(() => {
  open = undefined;
  links = undefined;
});

async function completedVideo(content = video): Promise<string> {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  await beginAttempt(bench, id, 'token');
  await completeJob(bench, id, content);
  return id;
}

const pathOf = (id: string) => `/v1/videos/${id}/content`;

async function problemsCounted(code: string): Promise<number> {
  const metrics = await bench.registry.getSingleMetric('spillway_api_problems_total')?.get();
  return metrics?.values.find(({ labels }) => labels['code'] === code)?.value ?? 0;
}

test('the content is our own copy, to be saved, with what proves that it is whole', async () => {
  const id = await completedVideo();
  const response = await bench.get(pathOf(id));
  expect([response.status, await response.text()]).toEqual([200, video]);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'video/mp4',
    'content-length': '26',
    'content-disposition': `attachment; filename="${id}.mp4"`,
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=0',
    'repr-digest': `sha-256=:${digest.toString('base64')}:`,
    etag,
  });
});

test('a type that a browser would run is not passed on', async () => {
  const id = await completedVideo();
  await bench.database.pool.query(`UPDATE assets SET content_type = 'text/html' WHERE job = $1`, [id]);
  expect((await bench.get(pathOf(id))).headers.get('content-type')).toBe('video/mp4');
});

test.each([
  { range: 'bytes=0-0', part: '0-0', body: 'a' },
  { range: 'bytes=2-6', part: '2-6', body: 'video' },
  { range: 'bytes=21-', part: '21-25', body: 'whole' },
  { range: 'bytes=-5', part: '21-25', body: 'whole' },
  { range: 'bytes=20-99999', part: '20-25', body: ' whole' },
  { range: 'bytes=-99999', part: '0-25', body: video },
  { range: 'Bytes=0-0', part: '0-0', body: 'a' },
  { range: 'bytes=0-0,99-', part: '0-0', body: 'a' },
])('the range $range is the part $part', async ({ range, part, body }) => {
  const response = await bench.get(pathOf(await completedVideo()), { range });
  expect([response.status, await response.text()]).toEqual([206, body]);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-range': `bytes ${part}/26`,
    'content-length': String(body.length),
    'repr-digest': `sha-256=:${digest.toString('base64')}:`,
    etag,
  });
});

test.each(['bytes=0-1,3-4', 'lines=1-2', 'bytes', 'bytes=', 'bytes=a-b', 'bytes=1', 'bytes=0x1-2', 'none', '=1-2'])(
  'the range %s is none that is served, so the whole is',
  async (range) => {
    const response = await bench.get(pathOf(await completedVideo()), { range });
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([200, video, null]);
  },
);

test.each(['bytes=26-', 'bytes=99-100', 'bytes=-0', 'bytes=5-2', `bytes=${'9'.repeat(40)}-`])(
  'the range %s has nothing to it',
  async (range) => {
    const response = await bench.get(pathOf(await completedVideo()), { range });
    expect([response.status, (await response.json()).code]).toEqual([416, 'range_not_satisfiable']);
    expect(response.headers.get('content-range')).toBe('bytes */26');
  },
);

test.each([
  { ifRange: etag, status: 206 },
  { ifRange: `W/${etag}`, status: 200 },
  { ifRange: '"other"', status: 200 },
  { ifRange: 'Wed, 21 Oct 2026 07:28:00 GMT', status: 200 },
])('a part is served only of what the reader has: $ifRange', async ({ ifRange, status }) => {
  const headers = { range: 'bytes=2-6', 'if-range': ifRange };
  expect((await bench.get(pathOf(await completedVideo()), headers)).status).toBe(status);
});

test.each([
  { tags: etag, status: 304 },
  { tags: `W/${etag}`, status: 304 },
  { tags: `"other", ${etag}`, status: 304 },
  { tags: '*', status: 304 },
  { tags: '"other"', status: 200 },
])('who has it already gets it no more: $tags', async ({ tags, status }) => {
  // Left alone, fetch adds a `no-cache` that asks for the whole answer.
  const headers = { 'if-none-match': tags, 'cache-control': 'max-age=0', range: 'bytes=99-' };
  const response = await bench.get(
    pathOf(await completedVideo()),
    status === 304 ? headers : { ...headers, range: '' },
  );
  expect(response.status).toBe(status);
  expect(response.headers.get('etag')).toBe(etag);
  await response.arrayBuffer();
});

test('HEAD tells the headers of the whole and opens nothing', async () => {
  const id = await completedVideo();
  open = () => Promise.reject(new Error('nobody opens anything'));
  for (const headers of [{}, { range: 'bytes=2-6' }]) {
    const response = await fetch(bench.url + pathOf(id), { method: 'HEAD', headers });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '26', '']);
    expect(response.headers.get('accept-ranges')).toBe('bytes');
  }
});

test.each([
  ['is over', 'UPDATE assets SET expires_at = clock_timestamp() WHERE job = $1'],
  ['is over and its bytes are gone', 'UPDATE assets SET removed_at = clock_timestamp() WHERE job = $1'],
  ['was never kept', 'UPDATE assets SET stored_at = NULL WHERE job = $1'],
])('a video whose time %s is gone', async (_what, statement) => {
  const id = await completedVideo();
  await bench.database.pool.query(statement, [id]);
  const response = await bench.get(pathOf(id), { 'if-none-match': etag, 'cache-control': 'max-age=0' });
  expect([response.status, (await response.json()).code]).toEqual([410, 'video_gone']);
});

test('a video that the store has lost, or has otherwise than it was, is gone', async () => {
  const id = await completedVideo();
  const key = `assets/default/${id}/1.mp4`;
  await bench.store.write(key, { body: Buffer.from('something else') });
  expect((await bench.get(pathOf(id))).status).toBe(410);
  await bench.store.remove(key);
  expect((await bench.get(pathOf(id))).status).toBe(410);
});

test('a store that can not be reached is a 503, and one that breaks off cuts the answer short', async () => {
  const id = await completedVideo();
  open = () => Promise.reject(new Error('no route to host'));
  const away = await bench.get(pathOf(id));
  expect([away.status, (await away.json()).code]).toEqual([503, 'storage_unavailable']);
  expect(away.headers.get('retry-after')).not.toBeNull();

  const counted = await problemsCounted('storage_unavailable');
  open = async () => {
    async function* broken() {
      yield Buffer.from('a vid');
      await Promise.resolve();
      throw new Error('cut');
    }
    return { bytes: 26, body: Readable.from(broken(), { objectMode: false }) };
  };
  await expect(bench.get(pathOf(id)).then((response) => response.text())).rejects.toThrow('terminated');
  await expect.poll(() => problemsCounted('storage_unavailable')).toBe(counted + 1);
  expect((await bench.get(`/v1/videos/${id}`)).status).toBe(200);
});

test('a reader who goes away is no error, and the store is let go of', async () => {
  const id = await completedVideo();
  const counted = await problemsCounted('storage_unavailable');
  const body = new Readable({ read: () => undefined });
  open = async () => ({ bytes: 26, body });
  await new Promise<void>((resolve, reject) => {
    const request = httpRequest(bench.url + pathOf(id), (response) => {
      response.on('error', () => undefined);
      response.once('data', () => {
        request.destroy();
        resolve();
      });
    });
    request.on('error', reject).end();
    body.push('a vid');
  });
  await expect.poll(() => body.destroyed).toBe(true);
  expect((await bench.get(`/v1/videos/${id}`)).status).toBe(200);
  expect(await problemsCounted('storage_unavailable')).toBe(counted);
});

test('a store with links of its own serves the bytes: we only say where, and not for long', async () => {
  const id = await completedVideo();
  const asked: unknown[] = [];
  links = {
    download: async (key, link) => {
      asked.push([key, link]);
      return 'https://bucket.example/signed?by=us';
    },
    upload: () => Promise.reject(new Error('nobody uploads')),
  };
  const response = await fetch(bench.url + pathOf(id), { redirect: 'manual', headers: { range: 'bytes=2-6' } });
  expect(response.status).toBe(302);
  expect(response.headers.get('location')).toBe('https://bucket.example/signed?by=us');
  expect(response.headers.get('cache-control')).toBe('private, max-age=0');
  expect(asked).toEqual([[`assets/default/${id}/1.mp4`, { secondsValid: 300, filename: `${id}.mp4` }]]);

  // A link is good for GET alone.
  const head = await fetch(bench.url + pathOf(id), { method: 'HEAD', redirect: 'manual' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '26']);
  links = { ...links, download: () => Promise.reject(new Error('no credentials')) };
  expect((await fetch(bench.url + pathOf(id), { redirect: 'manual' })).status).toBe(503);
});
