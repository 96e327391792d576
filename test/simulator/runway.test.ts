import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { SimulatorOptions } from '../../src/simulator/options.ts';
import { startSimulator } from './setup.ts';

const createdSchema = z.object({ id: z.string() });
const finishedSchema = z.object({ output: z.tuple([z.url()]) });
const text = { model: 'gen4.5', ratio: '1280:720', duration: 5 };

async function setup(overrides: Partial<SimulatorOptions> = {}) {
  const simulator = await startSimulator(overrides);
  const ask = (method: string, path: string, ...[body, headers]: [body?: unknown, headers?: Record<string, string>]) =>
    fetch(`${simulator.origin}/runway${path}`, {
      method,
      headers: { authorization: 'Bearer key', 'x-runway-version': '2024-11-06', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const submit = (promptText: string) => ask('POST', '/v1/text_to_video', { ...text, promptText });
  const create = async (promptText: string) => createdSchema.parse(await (await submit(promptText)).json()).id;
  const read = async (id: string): Promise<unknown> => (await ask('GET', `/v1/tasks/${id}`)).json();
  const ended = (id: string) => vi.waitUntil(async () => /SUCCEEDED|FAILED/.test(JSON.stringify(await read(id))));
  const finish = (id: string, wish: object) => simulator.call('POST', `/control/finish/${id}`, wish);
  const counts = (): Promise<unknown> => simulator.json('GET', '/control/counts');
  return { ...simulator, ask, submit, create, read, ended, finish, counts };
}

afterEach(() => void vi.useRealTimers());

describe('a submit', () => {
  test('answers an id and nothing else, and the poll follows it to the end', async () => {
    const { submit, read, ended } = await setup();
    const response = await submit('a cat');
    const created: unknown = await response.json();
    expect([response.status, created]).toEqual([200, { id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-/) }]);
    const { id } = createdSchema.parse(created);
    await ended(id);
    expect(await read(id)).toEqual({
      id,
      createdAt: expect.stringMatching(/Z$/),
      status: 'SUCCEEDED',
      output: [expect.stringContaining(`/outputs/${id}.mp4?expires=`)],
    });
  });

  test.each([
    { why: 'an unknown model', body: { ...text, model: 'sora-2', promptText: 'a cat' } },
    { why: 'no model', body: { ...text, model: undefined, promptText: 'a cat' } },
    { why: 'a model of another route', body: { ...text, model: 'gen4_turbo', promptText: 'a cat' } },
    { why: 'no prompt', body: text },
    { why: 'a long prompt', body: { ...text, promptText: 'x'.repeat(1_001) } },
    { why: 'no ratio', body: { ...text, ratio: undefined, promptText: 'a cat' } },
    { why: 'a ratio in words', body: { ...text, ratio: '16:9', promptText: 'a cat' } },
    { why: 'a duration as a text', body: { ...text, duration: '5', promptText: 'a cat' } },
    { why: 'a long duration', body: { ...text, duration: 11, promptText: 'a cat' } },
    { why: 'no picture', path: 'image_to_video', body: { ...text, promptText: 'a cat' } },
    { why: 'no JSON', body: 'not json' },
    { why: 'a marker nobody understands', body: { ...text, promptText: '[sim:nonsense]' } },
  ])('is refused for $why', async ({ path = 'text_to_video', body }) => {
    const { ask, counts } = await setup();
    const response = await ask('POST', `/v1/${path}`, body);
    expect([response.status, await response.json()]).toMatchObject([400, { error: expect.any(String) }]);
    expect(await counts()).toMatchObject({ submits: 1, created: 0 });
  });

  test('takes a picture as data', async () => {
    const { ask } = await setup();
    const body = { ...text, promptText: 'a cat', promptImage: 'data:image/jpeg;base64,/9j/' };
    expect((await ask('POST', '/v1/image_to_video', body)).status).toBe(200);
  });

  test('is refused without the version of the protocol, as is everything', async () => {
    const { ask } = await setup();
    const headers = { 'x-runway-version': '2023-01-01' };
    expect((await ask('POST', '/v1/text_to_video', { ...text, promptText: 'a cat' }, headers)).status).toBe(400);
    expect((await ask('GET', '/v1/tasks/x', undefined, headers)).status).toBe(400);
  });

  test('is refused for a wrong key, as is everything', async () => {
    const { ask } = await setup();
    const headers = { authorization: 'Bearer wrong' };
    expect((await ask('POST', '/v1/text_to_video', { ...text, promptText: 'a cat' }, headers)).status).toBe(401);
    expect((await ask('GET', '/v1/tasks/x', undefined, headers)).status).toBe(401);
    expect((await ask('DELETE', '/v1/tasks/x', undefined, headers)).status).toBe(401);
  });

  test('without money is a 400 with words', async () => {
    const { submit } = await setup({ balanceUsd: 0.1 });
    const response = await submit('a cat');
    expect([response.status, await response.json()]).toMatchObject([400, { error: /enough credits/ }]);
  });
});

describe('a faulty submit', () => {
  test.each([
    ['submit-429=7', 429, 0],
    ['submit-429-bare', 429, 0],
    ['submit-500-before', 500, 0],
    ['submit-500-after', 500, 1],
    ['submit-refused', 400, 0],
    ['no-credit', 400, 0],
    ['submit-slow=5', 200, 1],
    ['callback-early', 200, 1],
  ])('%s answers %d and creates %d', async (marker, status, created) => {
    const { submit, counts } = await setup();
    const response = await submit(`[sim:${marker}]`);
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(marker === 'submit-429=7' ? '7' : null);
    expect(await counts()).toMatchObject({ submits: 1, created, billed: created, callbacks_sent: 0 });
  });

  test.each([
    ['submit-reset-before', 0],
    ['submit-reset-after', 1],
  ])('%s breaks the connection and creates %d', async (marker, created) => {
    const { submit, counts } = await setup();
    await expect(submit(`[sim:${marker}]`)).rejects.toThrow('fetch failed');
    expect(await counts()).toMatchObject({ submits: 1, created });
  });
});

describe('a failed generation', () => {
  test.each([
    ['failed', 'INTERNAL'],
    ['failed-fast', 'INTERNAL.BAD_OUTPUT.CODE01'],
    ['failed=1402', 'ASSET.INVALID'],
    ['failed=5003', 'THIRD_PARTY.UNAVAILABLE'],
    ['moderation', 'SAFETY.INPUT.TEXT'],
    ['stuck=1', 'INTERNAL'],
  ])('%s is %s, and refunded', async (marker, failureCode) => {
    const { create, read, ended, counts } = await setup();
    const id = await create(`[sim:${marker}]`);
    await ended(id);
    expect(await read(id)).toMatchObject({ status: 'FAILED', failureCode, failure: expect.stringMatching(/./) });
    expect(await counts()).toMatchObject({ billed: 1, refunded_usd: 0.6, outstanding: 0 });
  });
});

describe('above the concurrency', () => {
  test('a task is throttled until another one ends', async () => {
    const { create, read, finish, counts } = await setup({ timeScale: 1, tier: 'bronze' });
    const first = await create('[sim:stuck]');
    const second = await create('[sim:stuck]');
    expect([await read(first), await read(second)]).toMatchObject([{ status: 'PENDING' }, { status: 'THROTTLED' }]);
    await finish(first, {});
    expect(await read(second)).toMatchObject({ status: 'PENDING' });
    expect(await counts()).toMatchObject({ rejected: {}, outstanding: 1 });
  });
});

describe('polling', () => {
  test('sooner than every five seconds is answered, and counted', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { create, read, counts } = await setup();
    const [one, other] = [await create('[sim:stuck]'), await create('[sim:stuck]')];
    await read(one);
    await read(other);
    expect(await counts()).toMatchObject({ hasty_polls: 0 });
    vi.setSystemTime(Date.now() + 4_999);
    expect(await read(one)).toMatchObject({ id: one });
    expect(await counts()).toMatchObject({ hasty_polls: 1 });
    vi.setSystemTime(Date.now() + 5_000);
    await read(one);
    expect(await counts()).toMatchObject({ hasty_polls: 1 });
  });
});

describe('an output', () => {
  test('is served by a URL that expires, and a fresh one comes with every reading', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { create, read, finish } = await setup({ timeScale: 1 });
    const id = await create('[sim:stuck]');
    await finish(id, {});
    const [old] = finishedSchema.parse(await read(id)).output;
    expect((await fetch(old)).status).toBe(200);
    vi.setSystemTime(Date.now() + 25 * 3_600_000);
    expect((await fetch(old)).status).toBe(403);
    const [fresh] = finishedSchema.parse(await read(id)).output;
    expect((await fetch(fresh)).status).toBe(200);
    expect((await fetch(fresh.replace(/\?.*/, ''))).status).toBe(403);
    expect((await fetch(fresh.replace('expires=', 'expires=9'))).status).toBe(403);
  });

  test.each([
    ['output-404', 200, 404],
    ['data-removed', 404, 404],
  ])('of %s is not there: the task is %d', async (marker, status, ofFile) => {
    const { create, ask, finish, origin } = await setup({ timeScale: 1 });
    const id = await create(`[sim:${marker}]`);
    await finish(id, {});
    expect((await ask('GET', `/v1/tasks/${id}`)).status).toBe(status);
    expect((await fetch(`${origin}/outputs/${id}.mp4`)).status).toBe(ofFile);
  });
});

describe('deleting', () => {
  test('stops a task, makes room, and leaves nothing to be found', async () => {
    const { create, read, ask, counts } = await setup({ timeScale: 1, tier: 'bronze' });
    const [first, second] = [await create('[sim:stuck]'), await create('[sim:stuck]')];
    const response = await ask('DELETE', `/v1/tasks/${first}`);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect((await ask('GET', `/v1/tasks/${first}`)).status).toBe(404);
    expect((await ask('DELETE', `/v1/tasks/${first}`)).status).toBe(404);
    expect(await read(second)).toMatchObject({ status: 'PENDING' });
    expect(await counts()).toMatchObject({
      outstanding: 1,
      refunded: 1,
      by_model: { 'text_to_video/gen4.5': { cancelled: 1 } },
    });
  });

  test('what has ended takes its output along', async () => {
    const { create, finish, read, ask } = await setup({ timeScale: 1 });
    const id = await create('[sim:stuck]');
    await finish(id, {});
    const [url] = finishedSchema.parse(await read(id)).output;
    expect((await ask('DELETE', `/v1/tasks/${id}`)).status).toBe(204);
    expect((await fetch(url)).status).toBe(404);
  });
});
