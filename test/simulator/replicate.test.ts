import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { SimulatorOptions } from '../../src/simulator/options.ts';
import { models } from '../../src/simulator/replicate/models.ts';
import { signCallback } from '../../src/simulator/replicate/signature.ts';
import { secret, startReceiver, startSimulator } from './setup.ts';

const wan = 'wan-video/wan-2.6-t2v';
const createdSchema = z.object({ id: z.string() });
const pageSchema = z.object({ next: z.string().nullable(), results: z.array(z.looseObject({ id: z.string() })) });

interface Extra {
  readonly webhook?: string;
  readonly model?: string;
  readonly cancelAfter?: string;
  readonly fields?: object;
}

async function setup(overrides: Partial<SimulatorOptions> = {}) {
  const simulator = await startSimulator(overrides);
  const base = `${simulator.origin}/replicate`;
  const ask = (method: string, path: string, ...[body, headers]: [body?: unknown, headers?: Record<string, string>]) =>
    fetch(base + path, {
      method,
      headers: { authorization: 'Bearer key', 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const json = async (method: string, path: string, body?: unknown): Promise<unknown> =>
    (await ask(method, path, body)).json();
  const submit = (prompt: string, { webhook, model = wan, cancelAfter, fields }: Extra = {}) =>
    ask(
      'POST',
      `/v1/models/${model}/predictions`,
      { input: { prompt }, ...(webhook !== undefined && { webhook }), ...fields },
      cancelAfter === undefined ? {} : { 'cancel-after': cancelAfter },
    );
  const create = async (prompt: string, extra?: Extra) =>
    createdSchema.parse(await (await submit(prompt, extra)).json()).id;
  const read = (id: string) => json('GET', `/v1/predictions/${id}`);
  const counts = (): Promise<unknown> => simulator.json('GET', '/control/counts');
  const finish = (id: string, wish: object) => simulator.call('POST', `/control/finish/${id}`, wish);
  return { ...simulator, base, ask, json, submit, create, read, counts, finish };
}

afterEach(() => void vi.useRealTimers());

describe('a submit', () => {
  test('answers the prediction, and the poll follows it to the end', async () => {
    const { base, origin, submit, read } = await setup();
    const receiver = await startReceiver();
    const response = await submit('a cat', { webhook: receiver.url('a1') });
    const created: unknown = await response.json();
    expect([response.status, created]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[a-z0-9]{26}$/),
        model: wan,
        version: 'hidden',
        input: { prompt: 'a cat' },
        output: null,
        error: null,
        logs: '',
        status: 'starting',
        data_removed: false,
        source: 'api',
        created_at: expect.stringMatching(/Z$/),
        started_at: null,
        completed_at: null,
        metrics: {},
        urls: {
          get: expect.stringContaining(`${base}/v1/predictions/`),
          cancel: expect.stringMatching(/\/cancel$/),
          web: expect.any(String),
        },
      },
    ]);
    await receiver.wait(1);
    const { id } = createdSchema.parse(created);
    expect(await read(id)).toMatchObject({
      status: 'succeeded',
      output: `${origin}/outputs/${id}.mp4`,
      completed_at: expect.stringMatching(/Z$/),
      metrics: { predict_time: expect.any(Number), total_time: expect.any(Number) },
    });
  });

  test('takes a version in each of its forms', async () => {
    const { ask, json } = await setup();
    const order = { input: { prompt: '[sim:stuck]' } };
    const version = '0'.repeat(64);
    expect((await ask('POST', '/v1/predictions', { ...order, version: wan })).status).toBe(201);
    expect((await ask('POST', '/v1/predictions', { ...order, version: `${wan}:${version}` })).status).toBe(404);
    expect((await ask('POST', '/v1/predictions', order)).status).toBe(404);
    expect(await json('GET', '/v1/predictions')).toMatchObject({ results: [{ model: wan, version: 'hidden' }] });
  });

  test('of a pinned version says so', async () => {
    const { ask } = await setup();
    const pinned = models.find(({ id }) => id.startsWith(`${wan}:`))?.id ?? '';
    const [, version] = pinned.split(':');
    for (const wish of [pinned, version]) {
      const response = await ask('POST', '/v1/predictions', { input: { prompt: '[sim:stuck]' }, version: wish });
      expect([response.status, await response.json()]).toMatchObject([201, { model: wan, version }]);
    }
  });

  test.each([
    { why: 'an unknown model', model: 'openai/sora-2', body: { input: { prompt: 'a cat' } }, status: 404 },
    { why: 'no input', body: {}, status: 422 },
    { why: 'no prompt', body: { input: {} }, status: 422 },
    { why: 'a duration as a text', body: { input: { prompt: 'a cat', duration: '5' } }, status: 422 },
    { why: 'a duration between two', body: { input: { prompt: 'a cat', duration: 7 } }, status: 422 },
    { why: 'a size with an x', body: { input: { prompt: 'a cat', size: '1280x720' } }, status: 422 },
    { why: 'a field of its own', body: { input: { prompt: 'a cat' }, metadata: {} }, status: 422 },
    {
      why: 'an event that there is not',
      body: { input: { prompt: 'x' }, webhook_events_filter: ['end'] },
      status: 422,
    },
    { why: 'no JSON', body: 'not json', status: 422 },
    { why: 'a marker nobody understands', body: { input: { prompt: '[sim:nonsense]' } }, status: 422 },
    { why: 'a webhook that is no URL', body: { input: { prompt: 'a cat' }, webhook: 'nowhere' }, status: 422 },
    { why: 'no picture', model: 'wan-video/wan-2.6-i2v', body: { input: { prompt: 'a cat' } }, status: 422 },
  ])('is refused for $why', async ({ model = wan, body, status }) => {
    const { ask, counts } = await setup();
    const response = await ask('POST', `/v1/models/${model}/predictions`, body);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect([response.status, await response.json()]).toEqual([
      status,
      expect.objectContaining({ title: expect.any(String), detail: expect.any(String), status }),
    ]);
    expect(await counts()).toMatchObject({ submits: 1, created: 0 });
  });

  test.each(['soon', '4s', '', '-5s', '5d'])('is refused for Cancel-After: %j', async (cancelAfter) => {
    const { submit } = await setup();
    expect((await submit('a cat', { cancelAfter })).status).toBe(422);
  });

  test.each(['5s', '5', '2m', '1h', '999999999h'])('takes Cancel-After: %s', async (cancelAfter) => {
    const { create, read } = await setup();
    const id = await create('[sim:stuck]', { cancelAfter });
    expect(await read(id)).toMatchObject({ deadline: expect.stringMatching(/Z$/) });
  });

  test('is refused for a wrong key, as is everything else of the account', async () => {
    const { ask } = await setup();
    const paths = [
      `POST /v1/models/${wan}/predictions`,
      'POST /v1/predictions',
      'GET /v1/predictions',
      'GET /v1/predictions/x',
      'POST /v1/predictions/x/cancel',
      'GET /v1/webhooks/default/secret',
      'POST /v1/files',
    ];
    for (const [method = '', path = ''] of paths.map((line) => line.split(' '))) {
      const body = method === 'POST' ? { input: { prompt: 'a cat' } } : undefined;
      const response = await ask(method, path, body, { authorization: 'Token key' });
      expect([path, response.status]).toEqual([path, 401]);
    }
  });

  test('above 600 a minute is throttled, and told in words when to come back', async () => {
    const { submit, counts } = await setup({ tier: { outstanding: Infinity, perMinute: 0 } });
    const response = await submit('a cat');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, null]);
    expect(await response.json()).toEqual({
      detail: expect.stringMatching(/^Request was throttled\. Your rate limit resets in ~\d{1,2}s\.$/),
      status: 429,
      retry_after: expect.any(Number),
    });
    expect(await counts()).toMatchObject({ rejected: { rate: 1 } });
  });

  test('without money gets 402', async () => {
    const { submit } = await setup({ balanceUsd: 0.1 });
    expect((await submit('a cat')).status).toBe(402);
  });
});

describe('a faulty submit', () => {
  test.each([
    ['submit-429=7', 429, 0],
    ['submit-429-bare', 429, 0],
    ['submit-500-before', 500, 0],
    ['submit-500-after', 500, 1],
    ['submit-refused', 422, 0],
    ['no-credit', 402, 0],
    ['submit-slow=5', 201, 1],
  ])('%s answers %d and creates %d', async (marker, status, created) => {
    const { submit, counts } = await setup();
    const response = await submit(`[sim:${marker}]`);
    expect(response.status).toBe(status);
    expect((await response.text()).includes('resets in ~7s')).toBe(marker === 'submit-429=7');
    expect(await counts()).toMatchObject({ submits: 1, created, billed: created });
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

describe('a callback', () => {
  test('is signed, keeps its id over retries, and is the prediction', async () => {
    const { create } = await setup();
    const receiver = await startReceiver(500, 404);
    const id = await create('a cat', { webhook: receiver.url('a1'), fields: { webhook_events_filter: ['completed'] } });
    const received = await receiver.wait(3);
    for (const { headers, body } of received) {
      const timestamp = String(headers['webhook-timestamp']);
      expect(headers['webhook-id']).toBe(`msg_${id}`);
      expect(headers['webhook-signature']).toBe(signCallback({ id: `msg_${id}`, timestamp, body, secret }));
      expect(JSON.parse(body)).toMatchObject({ id, status: 'succeeded', input: { prompt: 'a cat' } });
    }
  });

  test('is given up after about a minute', async () => {
    const { create, counts } = await setup();
    const receiver = await startReceiver(...Array.from({ length: 9 }, () => 500));
    await create('a cat', { webhook: receiver.url('a1') });
    await receiver.wait(6);
    expect(await counts()).toMatchObject({ callbacks_sent: 6, callbacks_acknowledged: 0 });
  });

  test('comes for the end only where the end was asked for', async () => {
    const { create, finish, counts } = await setup();
    const receiver = await startReceiver();
    const webhook = receiver.url('a1');
    const id = await create('[sim:stuck]', { webhook, fields: { webhook_events_filter: ['start'] } });
    await finish(id, {});
    expect(await counts()).toMatchObject({ callbacks_sent: 0 });
  });

  test('that is forged does not verify; the true one follows', async () => {
    const { create } = await setup();
    const receiver = await startReceiver(401);
    const id = await create('[sim:callback-forged]', { webhook: receiver.url('a1') });
    const received = await receiver.wait(2);
    const verified = received.map(({ headers, body }) => {
      const timestamp = String(headers['webhook-timestamp']);
      return headers['webhook-signature'] === signCallback({ id: `msg_${id}`, timestamp, body, secret });
    });
    expect(verified).toEqual([false, true]);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ status: 'failed' });
  });

  test('that is early arrives before the submit is answered', async () => {
    const { create } = await setup();
    const receiver = await startReceiver();
    await create('[sim:callback-early]', { webhook: receiver.url('a1') });
    expect(receiver.received).toHaveLength(1);
  });

  test('that is out of order speaks of the past', async () => {
    const { create } = await setup();
    const receiver = await startReceiver();
    await create('[sim:callback-out-of-order]', { webhook: receiver.url('a1') });
    const received = await receiver.wait(2);
    expect(received.map(({ body }) => JSON.parse(body).status)).toEqual(['succeeded', 'processing']);
  });
});

describe('a failed generation', () => {
  test.each([
    ['failed', /failed/, 'failed'],
    ['failed-fast', /\(E1001\)$/, 'failed'],
    ['failed=5000', /\(E1000\)$/, 'failed'],
    ['failed=1402', /media/, 'failed'],
    ['moderation', /flagged as sensitive.*\(E005\)$/, 'failed'],
    ['stuck=1', /\(E6716\)$/, 'failed'],
  ])('%s says %s, and is refunded', async (marker, error, status) => {
    const { create, read, counts } = await setup();
    const receiver = await startReceiver();
    const id = await create(`[sim:${marker}]`, { webhook: receiver.url('a1') });
    await receiver.wait(1);
    expect(await read(id)).toMatchObject({ status, error: expect.stringMatching(error), output: null });
    expect(await counts()).toMatchObject({ billed: 1, refunded_usd: 0.5, outstanding: 0 });
  });
});

describe('cancelling', () => {
  test('before the start costs nothing', async () => {
    const { create, json, counts } = await setup({ timeScale: 1 });
    const receiver = await startReceiver();
    const id = await create('a cat', { webhook: receiver.url('a1') });
    expect(await json('POST', `/v1/predictions/${id}/cancel`)).toMatchObject({ id, status: 'canceled' });
    await receiver.wait(1);
    expect(await counts()).toMatchObject({ outstanding: 0, billed_usd: 0.5, refunded_usd: 0.5 });
  });

  test('of a running one ends the work, and is billed', async () => {
    const { create, read, json, counts } = await setup();
    const receiver = await startReceiver();
    const id = await create('[sim:stuck]', { webhook: receiver.url('a1') });
    await vi.waitUntil(async () => JSON.stringify(await read(id)).includes('"processing"'));
    expect(await json('POST', `/v1/predictions/${id}/cancel`)).toMatchObject({ id, status: 'canceled' });
    const [{ body } = { body: '' }] = await receiver.wait(1);
    expect(JSON.parse(body)).toMatchObject({ id, status: 'canceled' });
    expect(await counts()).toMatchObject({ outstanding: 0, refunded_usd: 0, by_model: { [wan]: { cancelled: 1 } } });
  });

  test('what has ended changes nothing, and what never was is not found', async () => {
    const { create, finish, ask, json } = await setup();
    const id = await create('[sim:stuck]');
    await finish(id, {});
    expect(await json('POST', `/v1/predictions/${id}/cancel`)).toMatchObject({ status: 'succeeded' });
    expect((await ask('POST', '/v1/predictions/nobody/cancel')).status).toBe(404);
  });
});

describe("the caller's own deadline", () => {
  test('aborts what has not started, for nothing and without a word', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] });
    const { create, read, counts } = await setup({ timeScale: 1_000 });
    const receiver = await startReceiver();
    const id = await create('a cat', { webhook: receiver.url('a1'), cancelAfter: '5s' });
    vi.advanceTimersByTime(4_900);
    expect(await read(id)).toMatchObject({ status: 'starting' });
    vi.advanceTimersByTime(200);
    expect(await read(id)).toMatchObject({ status: 'aborted', started_at: null });
    expect(await counts()).toMatchObject({ outstanding: 0, refunded_usd: 0.5, callbacks_sent: 0 });
  });

  test('cancels what runs, at a price, also when nobody heard of it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] });
    const { submit, json, counts } = await setup();
    await expect(submit('[sim:stuck][sim:submit-reset-after]', { cancelAfter: '5s' })).rejects.toThrow('fetch failed');
    vi.advanceTimersByTime(4_900);
    expect(await json('GET', '/v1/predictions')).toMatchObject({ results: [{ status: 'processing' }] });
    vi.advanceTimersByTime(200);
    expect(await json('GET', '/v1/predictions')).toMatchObject({ results: [{ status: 'canceled' }] });
    expect(await counts()).toMatchObject({ outstanding: 0, refunded_usd: 0 });
  });
});

describe('retention', () => {
  test('removes the data and leaves the status', async () => {
    const { create, read, origin } = await setup();
    const receiver = await startReceiver();
    const id = await create('[sim:data-removed] a cat', { webhook: receiver.url('a1') });
    const [{ body } = { body: '' }] = await receiver.wait(1);
    expect(JSON.parse(body)).toMatchObject({ status: 'succeeded', output: `${origin}/outputs/${id}.mp4` });
    expect(await read(id)).toMatchObject({ status: 'succeeded', input: {}, output: null, data_removed: true });
    expect((await fetch(`${origin}/outputs/${id}.mp4`)).status).toBe(404);
  });

  test('is one hour', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { create, finish, read } = await setup({ timeScale: 1 });
    const id = await create('[sim:stuck]');
    await finish(id, {});
    vi.setSystemTime(Date.now() + 3_590_000);
    expect(await read(id)).toMatchObject({ data_removed: false });
    vi.setSystemTime(Date.now() + 20_000);
    expect(await read(id)).toMatchObject({ data_removed: true, output: null });
  });
});

describe('the list', () => {
  test('is newest first, in pages of 100, and goes on where the cursor points', async () => {
    const { base, create, ask } = await setup({ tier: { outstanding: Infinity, perMinute: 1_000 } });
    const ids: string[] = [];
    for (let number = 0; number < 101; number += 1) ids.push(await create(`[sim:stuck] ${number}`));
    const first = pageSchema.parse(await (await ask('GET', '/v1/predictions')).json());
    expect(first.results.map(({ id }) => id)).toEqual(ids.slice(1).toReversed());
    expect(first.results[0]).toMatchObject({ input: { prompt: '[sim:stuck] 100' }, model: wan });
    expect(first.next).toContain(`${base}/v1/predictions?cursor=`);
    await create('[sim:stuck] meanwhile');
    const last = pageSchema.parse(await (await ask('GET', (first.next ?? '').slice(base.length))).json());
    expect([last.next, last.results.map(({ id }) => id)]).toEqual([null, [ids[0]]]);
  });

  test('is filtered by time', async () => {
    const { create, json, ask } = await setup();
    const id = await create('[sim:stuck]');
    const later = new Date(Date.now() + 60_000).toISOString();
    expect(await json('GET', `/v1/predictions?created_after=${later}`)).toMatchObject({ results: [] });
    expect(await json('GET', `/v1/predictions?created_before=${later}`)).toMatchObject({ results: [{ id }] });
    expect((await ask('GET', '/v1/predictions?created_after=yesterday')).status).toBe(422);
  });
});

describe('the rest of the account', () => {
  test('an upload can be fetched again', async () => {
    const { base } = await setup();
    const form = new FormData();
    form.append('content', new Blob(['pixels'], { type: 'image/png' }), 'a cat.png');
    const headers = { authorization: 'Bearer key' };
    const response = await fetch(`${base}/v1/files`, { method: 'POST', headers, body: form });
    const file = z.looseObject({ urls: z.object({ get: z.url() }) }).parse(await response.json());
    expect(response.status).toBe(201);
    expect(file).toMatchObject({ name: 'a cat.png', content_type: 'image/png', size: 6 });
    expect(await (await fetch(file.urls.get)).text()).toBe('pixels');
  });

  test('an upload without a file is refused, and the secret can be asked for', async () => {
    const { ask, json } = await setup();
    expect((await ask('POST', '/v1/files', { no: 'file' })).status).toBe(422);
    expect(await json('GET', '/v1/webhooks/default/secret')).toEqual({ key: secret });
  });
});
