import OpenAI, { toFile } from 'openai';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Problem } from '../../../src/api/problems/problem.ts';
import { intercept } from '../../db/intercept.ts';
import { until } from '../../support/until.ts';
import { type ApiBench, openApiBench, planOneTarget, target as routeTarget } from '../api-bench.ts';
import { type CuttableProxy, openProxy } from '../cuttable-proxy.ts';

let bench: ApiBench;
let proxy: CuttableProxy;
let client: OpenAI;
/** Statements that are held back before they reach the database: the first so many of a name. */
const held = new Map<string, number>();
let waiting: (() => void)[] = [];

beforeAll(async () => {
  bench = await openApiBench({
    poolOf: async ({ pool }) =>
      intercept(pool, async (statement) => {
        const count = held.get(statement) ?? 0;
        if (count === 0) return;
        held.set(statement, count - 1);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }),
  });
  const { hostname: host, port } = new URL(bench.url);
  proxy = await openProxy({ host, port: Number(port) });
  client = clientOf(2);
});
afterEach(() => {
  release();
  proxy.set('open');
});
afterAll(async () => {
  await proxy.close();
  await bench.close();
});

function clientOf(maxRetries: number): OpenAI {
  return new OpenAI({ baseURL: `http://127.0.0.1:${proxy.port}/v1`, apiKey: 'unused', maxRetries });
}

function release(): void {
  held.clear();
  for (const resume of waiting.splice(0)) resume();
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the package knows the models of its maker only.
const model = 'wan-2.6' as 'sora-2';
const create = (prompt: string, from = client) => from.videos.create({ prompt, model });

async function jobsOf(prompt: string): Promise<readonly string[]> {
  const sql = `SELECT id FROM jobs WHERE request ->> 'prompt' = $1 ORDER BY id`;
  const { rows } = await bench.database.pool.query<{ id: string }>(sql, [prompt]);
  return rows.map(({ id }) => id);
}

async function ticketsOf(id: string): Promise<number> {
  return (await bench.database.pool.query('SELECT 1 FROM tickets WHERE job = $1', [id])).rowCount ?? 0;
}

describe('a connection that is cut is one job all the same, to the real client', () => {
  test('after the commit, before the answer', async () => {
    proxy.loseNextAnswer('cut after the commit');
    const { data: video, response } = await create('cut after the commit').withResponse();
    expect(proxy.lostAnswers()).toBe(1);
    expect(response.headers.get('idempotency-replayed')).toBe('true');
    expect(await jobsOf('cut after the commit')).toEqual([video.id]);
    expect(await ticketsOf(video.id)).toBe(1);
  });

  test('with a picture, which is kept once', async () => {
    const picture = await sharp({ create: { width: 64, height: 48, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();
    proxy.loseNextAnswer('cut with a picture');
    const file = await toFile(picture, 'a.png', { type: 'image/png' });
    const video = await client.videos.create({ prompt: 'cut with a picture', model, input_reference: file });
    expect(await jobsOf('cut with a picture')).toEqual([video.id]);
    expect((await bench.objects()).filter((key) => key.startsWith('inputs/'))).toEqual([
      `inputs/default/${video.id}.png`,
    ]);
  });

  test.each([
    ['insert_jobs', 'before the commit: the job is being written'],
    ['claim_requests', 'before anything of it has reached the database'],
  ])('while %s is held back: %s', async (statement, prompt) => {
    held.set(statement, 1);
    const created = create(prompt).withResponse();
    await until('it is held back', async () => waiting.length === 1);
    cut();
    const { data: video } = await created;
    expect(await jobsOf(prompt)).toEqual([video.id]);
    // Only now the first try goes on, whose client has long had its answer by the second.
    release();
    await bench.post({ prompt: 'the way is free again' });
    await until('the first try is through', async () => (await triesOf(video.id)) === 2);
    await bench.post({ prompt: 'and so is all that came with it' });
    expect(await jobsOf(prompt)).toEqual([video.id]);
    expect(await ticketsOf(video.id)).toBe(1);
  });

  test('twice in a row', async () => {
    const prompt = 'cut twice';
    held.set('insert_jobs', 2);
    const created = create(prompt).withResponse();
    await until('the first is held back', async () => waiting.length === 1);
    cut();
    await until('the second is held back', async () => waiting.length === 2, { withinMs: 10_000 });
    cut();
    const { data: video } = await created;
    release();
    expect(await jobsOf(prompt)).toEqual([video.id]);
    expect(await triesOf(video.id)).toBe(3);
  });

  test('while everybody sends the same', async () => {
    const prompt = 'the same of everybody';
    const before = await countTries();
    held.set('insert_jobs', 100);
    const created = Array.from({ length: 8 }, () => create(prompt));
    await until('all are held back', async () => (await countTries()) === before + 8 && waiting.length > 0);
    held.clear();
    cut();
    const videos = await Promise.all(created);
    release();
    const ids = new Set(videos.map(({ id }) => id));
    expect(ids.size).toBe(8);
    expect(await jobsOf(prompt)).toEqual([...ids].toSorted());
  });
});

/** Every connection of a client breaks, and new ones are taken. */
function cut(): void {
  proxy.set('refuse');
  proxy.set('open');
}

async function triesOf(job: string): Promise<number> {
  return (await bench.database.pool.query('SELECT 1 FROM recent_requests WHERE job = $1', [job])).rowCount ?? 0;
}

describe('what was meant twice is made twice', () => {
  test('two calls', async () => {
    const [one, other] = [await create('meant twice'), await create('meant twice')];
    expect(one.id).not.toBe(other.id);
    expect(await jobsOf('meant twice')).toHaveLength(2);
  });

  test('two calls at once, one of which is cut', async () => {
    const prompt = 'at once, one of them cut';
    proxy.loseNextAnswer(prompt);
    const videos = await Promise.all([create(prompt), create(prompt), create(prompt)]);
    // The retry can't say which of the like ones it is; it never makes a fourth.
    expect(await jobsOf(prompt)).toHaveLength(3);
    for (const { id } of videos) expect(await jobsOf(prompt)).toContain(id);
  });

  test('by a client that gives up and whose user tries again', async () => {
    const prompt = 'tried again by hand';
    proxy.loseNextAnswer(prompt);
    await expect(create(prompt, clientOf(0))).rejects.toThrow('Connection error');
    await create(prompt, clientOf(0));
    expect(await jobsOf(prompt)).toHaveLength(2);
  });
});

const retry = (count: number, headers: Record<string, string> = {}) => ({
  'x-stainless-retry-count': String(count),
  ...headers,
});

describe('a numbered retry', () => {
  test('without anything before it is a request of its own', async () => {
    const response = await bench.post({ prompt: 'the first was refused' }, retry(1));
    expect([response.status, response.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const again = await bench.post({ prompt: 'the first was refused' }, retry(2));
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.json()).toEqual(await response.json());
  });

  test('that asks for something else is one too', async () => {
    const first = await (await bench.post({ prompt: 'a', seconds: 5 }, retry(0))).json();
    const other = await bench.post({ prompt: 'a', seconds: 10 }, retry(1));
    expect([other.status, other.headers.get('idempotency-replayed')]).toEqual([202, null]);
    expect((await other.json()).id).not.toBe(first.id);
  });

  test('with a key goes by the key alone', async () => {
    const first = await (await bench.post({ prompt: 'keyed' }, retry(0))).json();
    const keyed = await (await bench.post({ prompt: 'keyed' }, retry(1, { 'idempotency-key': 'by-the-key' }))).json();
    expect(keyed.id).not.toBe(first.id);
    expect(await jobsOf('keyed')).toHaveLength(2);
  });

  test('of a refused request finds nothing, and is refused too', async () => {
    const tries = [0, 1, 2].map((count) => bench.post({ prompt: 'a', seconds: 7 }, retry(count)));
    for (const response of await Promise.all(tries)) expect(response.status).toBe(422);
  });

  test('of a request that would be refused by now is answered with its job', async () => {
    let refuses = false;
    const changed = await openApiBench({
      plan: () =>
        refuses
          ? { kind: 'refused', pointer: '/model', code: 'model_not_found', message: 'Gone.', allowed: [] }
          : { kind: 'planned', route: [routeTarget], model: 'wan-2.6', seconds: 5, size: '1280x720' },
    });
    try {
      const first = await changed.post({ prompt: 'a' }, retry(0));
      refuses = true;
      const again = await changed.post({ prompt: 'a' }, retry(1));
      expect([again.status, await again.text()]).toEqual([202, await first.text()]);
      expect((await changed.post({ prompt: 'b' }, retry(1))).status).toBe(422);
      expect((await changed.post({ prompt: 'a' }, retry(0))).status).toBe(422);
    } finally {
      await changed.close();
    }
  });
});

test('a request that was refused for the moment is not taken for one that is alike and was accepted', async () => {
  let isFull = false;
  const busy = await openApiBench({
    plan: (wish) => {
      if (isFull) throw new Problem('overloaded', { headers: { 'retry-after': '1' } });
      return planOneTarget(wish);
    },
  });
  try {
    const first = await (await busy.post({ prompt: 'alike' }, retry(0))).json();
    isFull = true;
    expect((await busy.post({ prompt: 'alike' }, retry(0))).status).toBe(503);
    expect((await busy.post({ prompt: 'alike' }, retry(1))).status).toBe(503);
    isFull = false;
    const second = await (await busy.post({ prompt: 'alike' }, retry(2))).json();
    expect(second.id).not.toBe(first.id);
    expect(await (await busy.post({ prompt: 'alike' }, retry(3))).json()).toEqual(second);
    // One that will never be accepted, as it is, is not noted: a flood of these costs no statement.
    const noted = await busy.count('recent_requests');
    expect((await busy.post({ prompt: 'alike', seconds: 7 }, retry(0))).status).toBe(422);
    expect(await busy.count('recent_requests')).toBe(noted);
  } finally {
    await busy.close();
  }
});

test('a client that does not number its tries costs no statement', async () => {
  const before = await countTries();
  await bench.post({ prompt: 'plain' });
  await bench.post({ prompt: 'plain' }, { 'x-stainless-retry-count': 'one' });
  await bench.post({ prompt: 'plain' }, { 'idempotency-key': 'plain', 'x-stainless-retry-count': '0' });
  expect(await countTries()).toBe(before);
});

async function countTries(): Promise<number> {
  return await bench.count('recent_requests');
}
