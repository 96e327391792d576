import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  RateLimitError,
  UnprocessableEntityError,
  toFile,
} from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setSpendCap } from '../../src/db/scheduler/pools.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { publishModels } from '../../src/catalogue/publish.ts';
import { isProviderKind } from '../../src/providers/registry.ts';
import { recordWire } from '../support/record-wire.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';
import { openProxy } from './cuttable-proxy.ts';

const apiKey = 'k'.repeat(40);
const selfie = await readFile(join(import.meta.dirname, '../../assets/selfie.jpg'));
const catalogue = await loadCatalogue('models.yaml', isProviderKind);
let bench: ApiBench;
let client: OpenAI;
beforeAll(async () => {
  bench = await openApiBench({ apiKey, models: publishModels(catalogue, new Map()) });
  client = clientOf();
});
afterAll(() => bench.close());

/** The package as anybody would use it: nothing but the address and the key are ours. */
function clientOf(baseURL = `${bench.url}/v1`): OpenAI {
  return new OpenAI({ baseURL, apiKey });
}

const wish = { prompt: 'a paper boat', model: 'wan-2.6', seconds: '8', size: '1280x720' } as const;

async function createCompleted(prompt: string): Promise<string> {
  const { id } = await client.videos.create({ ...wish, prompt });
  await beginAttempt(bench, id, 'token');
  await completeJob(bench, id, `video of ${prompt}`);
  return id;
}

test('a video is asked for, read, and downloaded', async () => {
  const video = await client.videos.create(wish);
  expect(video).toMatchObject({
    id: expect.stringMatching(/^video_/),
    object: 'video',
    status: 'queued',
    progress: 0,
    model: 'wan-2.6',
    prompt: 'a paper boat',
    seconds: '8',
    size: '1280x720',
    error: null,
  });
  expect(video.created_at).toBeGreaterThan(1_700_000_000);
  expect(await client.videos.retrieve(video.id)).toMatchObject({ id: video.id, status: 'queued' });

  await beginAttempt(bench, video.id, 'token');
  expect(await client.videos.retrieve(video.id)).toMatchObject({ status: 'in_progress', completed_at: null });
  await completeJob(bench, video.id, 'moving pictures');
  expect(await client.videos.retrieve(video.id)).toMatchObject({ status: 'completed', progress: 100 });
  const content = await client.videos.downloadContent(video.id);
  expect(await content.text()).toBe('moving pictures');
  const same = await client.videos.downloadContent(video.id, { variant: 'video' });
  expect(same.headers.get('content-type')).toBe('video/mp4');
});

test.each([
  ['a file', async () => ({ input_reference: await toFile(selfie, 'selfie.jpg', { type: 'image/jpeg' }) })],
  [
    'a data URL',
    async () => ({ input_reference: { image_url: `data:image/jpeg;base64,${selfie.toString('base64')}` } }),
  ],
])('a video is asked for with a selfie as %s', async (_name, reference) => {
  const video = await client.videos.create({ ...wish, ...(await reference()) });
  const { rows } = await bench.database.pool.query('SELECT input_image FROM jobs WHERE id = $1', [video.id]);
  expect(rows[0]?.input_image).toMatch(/\.jpg$|\.jpeg$/);
});

test('the list pages itself, newest first', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1)
    ids.push((await client.videos.create({ ...wish, prompt: `p ${index}` })).id);
  const seen: string[] = [];
  for await (const video of client.videos.list({ limit: 2 })) {
    seen.push(video.id);
    if (seen.length === 5) break;
  }
  expect(seen).toEqual(ids.toReversed());
  const oldest = await client.videos.list({ limit: 1, order: 'asc' });
  expect(oldest.data).toHaveLength(1);
  expect(oldest.has_more).toBe(true);
  const all: string[] = [];
  for await (const video of client.videos.list({ order: 'asc', limit: 3 })) all.push(video.id);
  expect(all.slice(-5)).toEqual(ids);
  expect(new Set(all).size).toBe(await bench.count('jobs'));
});

test('a video is deleted', async () => {
  const id = await createCompleted('to be forgotten');
  expect(await client.videos.delete(id)).toMatchObject({ id, object: 'video.deleted', deleted: true });
  await expect(client.videos.retrieve(id)).rejects.toThrow(NotFoundError);
});

test('the models are listed', async () => {
  const names: string[] = [];
  for await (const model of client.models.list()) names.push(model.id);
  expect(names).toEqual(Object.keys(catalogue.models));
  expect(await client.models.retrieve('wan-2.6')).toMatchObject({ id: 'wan-2.6', object: 'model' });
});

test('what is not offered here is a typed 404 that says so, asked for once', async () => {
  const id = await createCompleted('a source');
  const video = await toFile(Buffer.from('mp4'), 'v.mp4', { type: 'video/mp4' });
  const calls = [
    (openai: OpenAI) => openai.videos.remix(id, { prompt: 'bluer' }),
    (openai: OpenAI) => openai.videos.edit({ prompt: 'bluer', video: { id } }),
    (openai: OpenAI) => openai.videos.edit({ prompt: 'bluer', video }),
    (openai: OpenAI) => openai.videos.extend({ prompt: 'longer', seconds: '4', video: { id } }),
    (openai: OpenAI) => openai.videos.createCharacter({ name: 'Ada', video }),
    (openai: OpenAI) => openai.videos.getCharacter('char_1'),
    (openai: OpenAI) => openai.videos.downloadContent(id, { variant: 'thumbnail' }),
    (openai: OpenAI) => openai.videos.downloadContent(id, { variant: 'spritesheet' }),
  ];
  for (const call of calls) {
    const wire = recordWire();
    const error = await errorOf(call(new OpenAI({ baseURL: `${bench.url}/v1`, apiKey, fetch: wire.fetch })));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: 'not_supported_here', message: expect.stringContaining('not') });
    expect(wire.sent).toHaveLength(1);
  }
});

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('its typed errors are thrown, with our sentence, field and code', async () => {
  const stranger = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: 'wrong'.repeat(8) });
  expect(await errorOf(stranger.videos.create(wish))).toBeInstanceOf(AuthenticationError);
  const absent = 'video_01932f0e-1c6b-7d2a-9d3c-0123456789ab';
  expect(await errorOf(client.videos.retrieve(absent))).toMatchObject({ status: 404, code: 'video_not_found' });
  expect(await errorOf(client.videos.retrieve('video_1'))).toBeInstanceOf(BadRequestError);
  const unknown = await errorOf(client.videos.create({ ...wish, model: 'unknown' }));
  expect(unknown).toBeInstanceOf(UnprocessableEntityError);
  expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
  expect(String(unknown)).toContain('There is no such model.');
  const { id } = await client.videos.create(wish);
  expect(await errorOf(client.videos.downloadContent(id))).toBeInstanceOf(ConflictError);
});

test('a cap on spending is told once: the client does not try again', async () => {
  const capped = await openApiBench({ apiKey });
  try {
    await setSpendCap(capped.database.pool, 1);
    const wire = recordWire();
    const openai = new OpenAI({ baseURL: `${capped.url}/v1`, apiKey, fetch: wire.fetch });
    const error = await errorOf(openai.videos.create(wish));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ code: 'spend_cap_reached', status: 429 });
    expect(wire.sent).toHaveLength(1);
  } finally {
    await capped.close();
  }
});

test('its first answer is cut: it tries again by itself, and there is one job', async () => {
  const { hostname, port } = new URL(bench.url);
  const proxy = await openProxy({ host: hostname, port: Number(port) });
  try {
    const before = await bench.count('jobs');
    proxy.loseNextAnswer('POST /v1/videos');
    const openai = clientOf(`http://127.0.0.1:${proxy.port}/v1`);
    const video = await openai.videos.create({ ...wish, prompt: 'cut off' });
    expect(proxy.lostAnswers()).toBe(1);
    expect(await bench.count('jobs')).toBe(before + 1);
    expect(await client.videos.retrieve(video.id)).toMatchObject({ prompt: 'cut off' });
  } finally {
    await proxy.close();
  }
});

test('what the package sends is as it was recorded', async () => {
  const wire = recordWire();
  const openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey, fetch: wire.fetch });
  const file = await toFile(selfie, 'selfie.jpg', { type: 'image/jpeg' });
  const { id } = await openai.videos.create(wish);
  await openai.videos.create({ ...wish, input_reference: file });
  await openai.videos.create({
    prompt: 'a',
    input_reference: { image_url: `data:image/jpeg;base64,${selfie.toString('base64')}` },
  });
  await openai.videos.retrieve(id);
  await openai.videos.list({ limit: 2, order: 'asc', after: id });
  await errorOf(openai.videos.downloadContent(id, { variant: 'thumbnail' }));
  await errorOf(openai.videos.remix(id, { prompt: 'b' }));
  await openai.videos.delete(id);
  await expect(wire.told()).toMatchFileSnapshot('openai-client.wire.txt');
});
