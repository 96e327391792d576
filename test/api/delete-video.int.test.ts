import OpenAI, { NotFoundError } from 'openai';
import pino from 'pino';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eraseJobs } from '../../src/activities/erase-jobs.ts';
import { keepPreparedPicture } from '../../src/db/jobs/input-pictures.ts';
import type { VideoProvider } from '../../src/providers/provider.ts';
import { phonePicture } from '../support/pictures.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

let bench: ApiBench;
/** What the vendor was asked to erase. */
const erasedThere: string[] = [];
let isWorkerThere = true;

beforeAll(async () => {
  bench = await openApiBench({
    // As the wake-up does in a worker.
    notifyErased: () => {
      if (isWorkerThere) void completeErasures();
    },
  });
});
afterAll(() => bench.close());

async function completeErasures(): Promise<void> {
  const acme: Pick<VideoProvider, 'erase'> = { erase: async ({ operation }) => void erasedThere.push(operation) };
  const { database, store } = bench;
  const providers = new Map([['acme', acme]]);
  await eraseJobs({ db: database.pool, store, providers, log: pino({ level: 'silent' }) });
}

const remove = (id: string, headers = {}) => fetch(`${bench.url}/v1/videos/${id}`, { method: 'DELETE', headers });
const cancel = (id: string) => fetch(`${bench.url}/v1/videos/${id}/cancel`, { method: 'POST' });

async function accept(wish: object = {}, headers = {}): Promise<string> {
  const response = await bench.post({ prompt: 'a fox', ...wish }, headers);
  expect(response.status).toBe(202);
  return (await response.json()).id;
}

async function completed(wish: object = {}): Promise<string> {
  const id = await accept(wish);
  await beginAttempt(bench, id, `token-${id}`);
  await completeJob(bench, id);
  return id;
}

async function phaseOf(id: string): Promise<string | undefined> {
  const { rows } = await bench.database.pool.query<{ phase: string }>('SELECT phase FROM jobs WHERE id = $1', [id]);
  return rows[0]?.phase;
}

describe('a completed video', () => {
  test('goes with everything of it, and the receipt says so', async () => {
    const id = await completed();
    const response = await remove(id);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      id,
      object: 'video.deleted',
      deleted: true,
      receipt: {
        erased: ['request', 'video'],
        pending: [],
        provider: [{ provider: 'acme', operation: `op-${id}`, outcome: 'erased' }],
        cost_usd: 0.5,
        erased_at: expect.any(Number),
      },
    });
    expect(erasedThere).toContain(`op-${id}`);
    expect((await bench.objects()).filter((key) => key.includes(id))).toEqual([]);
    for (const path of ['', '/content', '/timeline'])
      expect([path, (await bench.get(`/v1/videos/${id}${path}`)).status]).toEqual([path, 404]);
    expect((await cancel(id)).status).toBe(404);
    expect((await remove(id)).status).toBe(404);
  });

  test('keeps its place in the books', async () => {
    const id = await completed();
    await remove(id);
    const { rows } = await bench.database.pool.query(
      `SELECT phase, request, input_image, input_url, finished_at IS NOT NULL AS ended, cost_usd_micros::int AS cost, video_url
       FROM jobs JOIN attempts ON attempts.job = jobs.id WHERE id = $1`,
      [id],
    );
    expect(rows).toEqual([
      {
        phase: 'completed',
        request: null,
        input_image: null,
        input_url: null,
        ended: true,
        cost: 500_000,
        video_url: null,
      },
    ]);
  });

  test('goes by the real client, and is not found after that', async () => {
    const client = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: 'unused' });
    const id = await completed();
    expect(await client.videos.delete(id)).toMatchObject({ id, object: 'video.deleted', deleted: true });
    await expect(client.videos.retrieve(id)).rejects.toThrow(NotFoundError);
    await expect(client.videos.delete(id)).rejects.toThrow(NotFoundError);
  });

  test('has its receipt again for a client that did not hear the first one', async () => {
    const id = await completed();
    const first = await (await remove(id)).json();
    const again = await remove(id, { 'x-stainless-retry-count': '1' });
    expect([again.status, await again.json()]).toEqual([200, first]);
    expect((await remove(id, { 'x-stainless-retry-count': '0' })).status).toBe(404);
  });

  test('goes without a worker as far as it can, and the rest later', async () => {
    isWorkerThere = false;
    const id = await completed();
    const { receipt } = await (await remove(id)).json();
    expect(receipt).toMatchObject({
      erased: ['request'],
      pending: ['video'],
      provider: [{ outcome: 'pending' }],
      erased_at: null,
    });
    // It is served to nobody meanwhile.
    expect((await bench.get(`/v1/videos/${id}/content`)).status).toBe(404);
    await completeErasures();
    isWorkerThere = true;
    expect((await bench.objects()).filter((key) => key.includes(id))).toEqual([]);
    const again = await (await remove(id, { 'x-stainless-retry-count': '1' })).json();
    expect(again.receipt).toMatchObject({ pending: [], erased_at: expect.any(Number) });
  });
});

describe('a job with a picture', () => {
  test('has neither the one that came nor the one that was made of it', async () => {
    const reference = `data:image/jpeg;base64,${(await phonePicture()).toString('base64')}`;
    const id = await accept({ input_reference: reference });
    const prepared = `inputs/default/${id}-prepared.jpg`;
    await bench.store.write(prepared, { body: Buffer.from('prepared') });
    const { receipt } = await (await remove(id)).json();
    expect(receipt).toMatchObject({ erased: ['request', 'input_image'], pending: [] });
    expect((await bench.objects()).filter((key) => key.includes(id))).toEqual([]);
    // Whoever was preparing it meanwhile is told that nobody wants it.
    expect(await keepPreparedPicture(bench.database.pool, { jobId: id, key: prepared })).toBe(false);
  });

  test('that was to be read from a URL has none of it', async () => {
    const id = await accept({ input_reference: 'https://example.com/face.jpg' });
    expect((await (await remove(id)).json()).receipt.erased).toEqual(['request', 'input_image']);
    const { rows } = await bench.database.pool.query('SELECT input_url FROM jobs WHERE id = $1', [id]);
    expect(rows).toEqual([{ input_url: null }]);
  });
});

describe('a job that has not ended', () => {
  test('in line is cancelled, costs nothing, and leaves nothing', async () => {
    const id = await accept();
    const { receipt } = await (await remove(id)).json();
    expect(receipt).toMatchObject({ erased: ['request'], pending: [], provider: [], cost_usd: null });
    expect(await phaseOf(id)).toBe('cancelled');
    const { rows } = await bench.database.pool.query('SELECT 1 FROM tickets WHERE job = $1', [id]);
    expect(rows).toEqual([]);
  });

  test('under way is asked to end, and the vendor is not asked to forget what it is at', async () => {
    const id = await accept();
    await beginAttempt(bench, id, `token-${id}`);
    await bench.database.pool.query(`SELECT answer_attempt($1, 1, 'accepted', $2)`, [id, `op-${id}`]);
    const { receipt } = await (await remove(id)).json();
    expect(receipt).toMatchObject({
      erased: ['request'],
      pending: ['video'],
      provider: [{ provider: 'acme', operation: `op-${id}`, outcome: 'pending' }],
      erased_at: null,
    });
    expect((await bench.get(`/v1/videos/${id}`)).status).toBe(404);
    const { rows } = await bench.database.pool.query('SELECT kind FROM mailbox WHERE job = $1', [id]);
    expect(rows).toEqual([{ kind: 'cancel' }]);
    expect(erasedThere).not.toContain(`op-${id}`);

    // Its end, as the workflow and a late callback bring it: the link to a video comes with it.
    await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
    await makeDue(id);
    await completeErasures();
    expect(erasedThere).not.toContain(`op-${id}`);
    await bench.database.pool.query(
      `SELECT end_attempt($1, 1, 'callback', 'finished', $2, 'https://acme.test/private.mp4', NULL)`,
      [id, `op-${id}`],
    );
    await makeDue(id);
    await completeErasures();
    expect(erasedThere).toContain(`op-${id}`);
    const { rows: attempts } = await bench.database.pool.query(
      'SELECT video_url, erasure FROM attempts WHERE job = $1',
      [id],
    );
    expect(attempts).toEqual([{ video_url: null, erasure: 'erased' }]);
  });

  test('and completes in spite of it is erased all the same', async () => {
    const id = await accept();
    await beginAttempt(bench, id, `token-${id}`);
    await remove(id);
    await completeJob(bench, id);
    expect(await phaseOf(id)).toBe('completed');
    await makeDue(id);
    await completeErasures();
    expect((await bench.objects()).filter((key) => key.includes(id))).toEqual([]);
    expect((await bench.get(`/v1/videos/${id}/content`)).status).toBe(404);
  });
});

test('a stream of its events ends, and no new one begins', async () => {
  const id = await accept();
  const stream = await bench.get(`/v1/videos/${id}/events`);
  expect(stream.status).toBe(200);
  const told = stream.text();
  await remove(id);
  expect(await told).toContain('job.queued');
  expect((await bench.get(`/v1/videos/${id}/events`)).status).toBe(404);
});

test('it is in no list', async () => {
  const id = await accept();
  const listed = async (): Promise<readonly string[]> => {
    const { data } = await (await bench.get('/v1/videos?limit=100&order=desc')).json();
    return data.map((video: { readonly id: string }) => video.id);
  };
  expect(await listed()).toContain(id);
  await remove(id);
  expect(await listed()).not.toContain(id);
});

async function makeDue(id: string): Promise<void> {
  await bench.database.pool.query('UPDATE erasures SET due_at = now() WHERE job = $1', [id]);
}

describe('nobody else’s, and nothing', () => {
  test.each([
    ['an id that nobody has', `video_${v7()}`, 404],
    ['no id', 'video_1', 400],
  ])('%s', async (_name, id, status) => {
    expect((await remove(id)).status).toBe(status);
  });

  test('a job of another tenant is not found, and stays', async () => {
    const id = await accept();
    await bench.database.pool.query(`UPDATE jobs SET tenant = 'other' WHERE id = $1`, [id]);
    expect((await remove(id)).status).toBe(404);
    expect(await phaseOf(id)).toBe('queued');
  });

  test('two at once: one of them deletes', async () => {
    for (let round = 0; round < 10; round += 1) {
      const id = await accept();
      const answers = await Promise.all([remove(id), remove(id), remove(id)]);
      expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '404', '404']);
    }
  });
});

describe('the key of a deleted job', () => {
  test('buys no second video, and is answered with 410 whatever is asked', async () => {
    const headers = { 'idempotency-key': 'of a deleted job'.replaceAll(' ', '-') };
    const id = await accept({ prompt: 'a secret' }, headers);
    const { rows: before } = await bench.database.pool.query('SELECT 1 FROM idempotency_keys WHERE job = $1', [id]);
    expect(before).toHaveLength(1);
    await remove(id);
    const jobs = await bench.count('jobs');
    for (const prompt of ['a secret', 'another']) {
      const replayed = await bench.post({ prompt }, headers);
      expect([replayed.status, (await replayed.json()).code]).toEqual([410, 'video_erased']);
    }
    expect(await bench.count('jobs')).toBe(jobs);
    const { rows } = await bench.database.pool.query(
      'SELECT octet_length(fingerprint) AS bytes FROM idempotency_keys WHERE job = $1',
      [id],
    );
    expect(rows).toEqual([{ bytes: 0 }]);
  });
});

test('after a deletion no table knows a word of the request, nor does the store', async () => {
  const canary = `canary-${v7()}`;
  const user = `user-${v7()}`;
  const headers = { 'idempotency-key': 'canary', 'x-stainless-retry-count': '0' };
  const wish = {
    prompt: `a ${canary}`,
    negative_prompt: `no ${canary}`,
    metadata: { note: canary },
    user,
    webhook_url: `https://example.com/${canary}`,
    input_reference: `https://example.com/${canary}.jpg`,
  };
  const ids = [await accept(wish, headers), await accept(wish, { 'x-stainless-retry-count': '0' })];
  for (const id of ids) {
    await beginAttempt(bench, id, `token-${id}`);
    await bench.database.pool.query(
      `SELECT end_attempt($1, 1, 'check', 'finished', $2, $3, '{"code":"moderation","retry":"never"}')`,
      [id, `op-${id}`, `https://acme.test/${canary}.mp4`],
    );
    await completeJob(bench, id, canary);
  }
  const open = async (): Promise<readonly unknown[]> =>
    (
      await bench.database.pool.query('SELECT 1 FROM webhook_deliveries WHERE ended_at IS NULL AND job = ANY ($1)', [
        ids,
      ])
    ).rows;
  expect((await open()).length).toBeGreaterThan(0);
  expect(await tablesWith(canary)).not.toEqual([]);
  for (const id of ids) await remove(id);
  expect(await tablesWith(canary)).toEqual([]);
  expect(await open()).toEqual([]);
  // The line counts who has left by the names of those who came, until the next grant pass has folded that in.
  expect(await tablesWith(user)).toEqual(['arrivals']);
  expect((await bench.objects()).filter((key) => ids.some((id) => key.includes(id)))).toEqual([]);
  const { rows } = await bench.database.pool.query('SELECT 1 FROM recent_requests WHERE job = ANY ($1)', [ids]);
  expect(rows).toEqual([]);
});

/** Every table of the schema, each row as a text. */
async function tablesWith(word: string): Promise<readonly string[]> {
  const { rows } = await bench.database.pool.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const sql = `SELECT 1 FROM ${name} AS everything WHERE everything::text LIKE '%' || $1 || '%' LIMIT 1`;
    if (((await bench.database.pool.query(sql, [word])).rowCount ?? 0) > 0) found.push(name);
  }
  return found;
}
