import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { signCallback } from '../../../src/simulator/wavespeed/signature.ts';
import { createdSchema, secret, startReceiver, startSimulator, wan } from '../setup.ts';

const uploadSchema = z.object({ data: z.looseObject({ download_url: z.url() }) });

describe('a submit', () => {
  test('answers the envelope, and the poll follows it to the end', async () => {
    const { origin, submit, json } = await startSimulator();
    const receiver = await startReceiver();
    const response = await submit('a cat', receiver.url('a1'));
    const envelope = await response.json();
    expect(response.status).toBe(200);
    expect(envelope).toEqual({
      code: 200,
      message: 'success',
      data: {
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        model: wan,
        outputs: [],
        urls: { get: expect.stringContaining(`${origin}/wavespeed/api/v3/predictions/`) },
        has_nsfw_contents: [],
        status: 'created',
        created_at: expect.stringMatching(/Z$/),
        error: '',
        code: 0,
        timings: { inference: 0 },
      },
    });
    await receiver.wait(1);
    const { id } = createdSchema.parse(envelope).data;
    for (const path of [`/wavespeed/api/v3/predictions/${id}`, `/wavespeed/api/v3/predictions/${id}/result`]) {
      expect(await json('GET', path)).toMatchObject({
        code: 200,
        data: { status: 'completed', outputs: [`${origin}/outputs/${id}.mp4`] },
      });
    }
  });

  test.each([
    { why: 'an unknown model', model: 'openai/sora-2/text-to-video', body: { prompt: 'a cat' }, status: 404 },
    { why: 'no prompt', model: wan, body: {}, status: 400 },
    { why: 'no JSON', model: wan, body: 'not json', status: 400 },
    { why: 'a marker nobody understands', model: wan, body: { prompt: '[sim:nonsense]' }, status: 400 },
    { why: 'a webhook that is no URL', model: `${wan}?webhook=nowhere`, body: { prompt: 'a cat' }, status: 400 },
  ])('is refused for $why', async ({ model, body, status }) => {
    const { call, json } = await startSimulator();
    const response = await call('POST', `/wavespeed/api/v3/${model}`, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: status, message: expect.any(String) });
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 1, created: 0 });
  });

  test('is refused for a wrong key, as is everything else of the account', async () => {
    const { callAs } = await startSimulator();
    const paths = [
      `POST /wavespeed/api/v3/${wan}`,
      'GET /wavespeed/api/v3/balance',
      'GET /wavespeed/api/v3/predictions/x',
      'POST /wavespeed/api/v3/predictions',
    ];
    for (const [method = '', path = ''] of paths.map((line) => line.split(' '))) {
      const response = await callAs('wrong')(method, path, method === 'POST' ? { prompt: 'a cat' } : undefined);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ code: 401, message: expect.any(String) });
    }
  });

  test('above a limit gets 429, and which one is said', async () => {
    const concurrency = await startSimulator({ tier: { outstanding: 1, perMinute: 100 } });
    await concurrency.submit('[sim:stuck]');
    const response = await concurrency.submit('a cat');
    expect(response.status).toBe(429);
    expect(await response.text()).toContain('concurrent task limit');

    const rate = await startSimulator({ tier: { outstanding: 100, perMinute: 0 } });
    expect(await (await rate.submit('a cat')).text()).toContain('per minute');
    expect(await rate.json('GET', '/control/counts')).toMatchObject({ submits: 1, rejected: { rate: 1 } });
  });

  test('without money gets 403', async () => {
    const { submit } = await startSimulator({ balanceUsd: 0.1 });
    expect((await submit('a cat')).status).toBe(403);
  });
});

describe('a faulty submit', () => {
  test.each([
    ['submit-429=7', 429, 0],
    ['submit-429-bare', 429, 0],
    ['submit-500-before', 500, 0],
    ['submit-500-after', 500, 1],
    ['submit-refused', 400, 0],
    ['no-credit', 403, 0],
    ['submit-slow=5', 200, 1],
  ])('%s answers %d and creates %d', async (marker, status, created) => {
    const { submit, json } = await startSimulator();
    const response = await submit(`[sim:${marker}]`);
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(marker === 'submit-429=7' ? '7' : null);
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 1, created, billed: created });
  });

  test.each([
    ['submit-reset-before', 0],
    ['submit-reset-after', 1],
  ])('%s breaks the connection and creates %d', async (marker, created) => {
    const { submit, json } = await startSimulator();
    await expect(submit(`[sim:${marker}]`)).rejects.toThrow('fetch failed');
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 1, created });
  });

  test.each([
    ['submit-hang-before', 0],
    ['submit-hang-after', 1],
  ])('%s never answers and creates %d', async (marker, created) => {
    const { origin, json } = await startSimulator();
    const request = fetch(`${origin}/wavespeed/api/v3/${wan}`, {
      method: 'POST',
      headers: { authorization: 'Bearer key' },
      body: JSON.stringify({ prompt: `[sim:${marker}]` }),
      signal: AbortSignal.timeout(60),
    });
    await expect(request).rejects.toThrow('aborted');
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 1, created });
  });
});

describe('a callback', () => {
  test('is signed, carries the task id, and is retried until it is taken', async () => {
    const { create } = await startSimulator();
    const receiver = await startReceiver(500, 503);
    const id = await create('a cat', receiver.url('a1'));
    const received = await receiver.wait(3);
    for (const { headers, body } of received) {
      const timestamp = String(headers['webhook-timestamp']);
      expect(headers['webhook-id']).toBe(id);
      expect(headers['webhook-signature']).toBe(signCallback({ id, timestamp, body, secret }));
      expect(JSON.parse(body)).toMatchObject({ id, status: 'completed' });
    }
  });

  test('that is early arrives before the submit is answered', async () => {
    const { create } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create('[sim:callback-early]', receiver.url('a1'));
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id]);
  });

  test('that is early also comes for a submit whose answer is lost', async () => {
    const { submit } = await startSimulator();
    const receiver = await startReceiver();
    await expect(submit('[sim:callback-early][sim:submit-reset-after]', receiver.url('a1'))).rejects.toThrow(
      'fetch failed',
    );
    expect(receiver.received).toHaveLength(1);
  });

  test('that is forged does not verify; the true one follows', async () => {
    const { create } = await startSimulator();
    const receiver = await startReceiver(401);
    const id = await create('[sim:callback-forged]', receiver.url('a1'));
    const received = await receiver.wait(2);
    const verified = received.map(({ headers, body }) => {
      const timestamp = String(headers['webhook-timestamp']);
      return headers['webhook-signature'] === signCallback({ id, timestamp, body, secret });
    });
    expect(verified).toEqual([false, true]);
  });

  test('comes in as many copies as asked for', async () => {
    const { create, json } = await startSimulator();
    const receiver = await startReceiver();
    await create('[sim:callback-duplicated=3]', receiver.url('a1'));
    await receiver.wait(3);
    expect(await json('GET', '/control/counts')).toMatchObject({ callbacks_sent: 3, created: 1 });
  });
});

describe('a failed generation', () => {
  test.each([
    ['failed', 1405],
    ['failed-fast', 1403],
    ['moderation', 1200],
  ])('%s is HTTP 200 with code %d inside, and refunded', async (marker, code) => {
    const { create, json } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create(`[sim:${marker}]`, receiver.url('a1'));
    await receiver.wait(1);
    expect(await json('GET', `/wavespeed/api/v3/predictions/${id}/result`)).toMatchObject({
      code: 200,
      data: { status: 'failed', code, error: expect.stringMatching(/./), outputs: [] },
    });
    expect(await json('GET', '/control/counts')).toMatchObject({
      billed: 1,
      billed_usd: 0.5,
      refunded_usd: 0.5,
      outstanding: 0,
    });
  });
});

describe('deleting', () => {
  test('forgets, but the job runs on, outstanding and billed', async () => {
    const { call, create, json } = await startSimulator();
    const id = await create('[sim:stuck]');
    expect(await json('DELETE', `/wavespeed/api/v3/predictions/${id}`)).toMatchObject({
      code: 200,
      data: { id, status: 'deleted' },
    });
    expect((await call('GET', `/wavespeed/api/v3/predictions/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/wavespeed/api/v3/predictions/${id}`)).status).toBe(404);
    expect(await json('POST', '/wavespeed/api/v3/predictions', {})).toMatchObject({ data: { items: [] } });
    expect(await json('GET', '/control/counts')).toMatchObject({ outstanding: 1, billed: 1 });
    expect(await json('GET', '/control/predictions')).toMatchObject([{ id, deleted: true }]);
    await json('POST', `/control/finish/${id}`);
    expect(await json('GET', '/control/counts')).toMatchObject({ outstanding: 0, billed: 1, callbacks_sent: 0 });
  });

  test('takes many ids at once', async () => {
    const { call, create, json } = await startSimulator();
    const ids = [await create('[sim:stuck]'), await create('[sim:stuck]')];
    expect(await json('POST', '/wavespeed/api/v3/predictions/delete', { ids })).toMatchObject({
      data: ids.map((id) => ({ id, status: 'deleted' })),
    });
    expect((await call('POST', '/wavespeed/api/v3/predictions/delete', { ids })).status).toBe(404);
    expect((await call('POST', '/wavespeed/api/v3/predictions/delete', {})).status).toBe(400);
  });
});

describe('the list', () => {
  test('is newest first, in pages, filtered, and says what was asked for', async () => {
    const { create, json, submit } = await startSimulator();
    const ids = [await create('[sim:stuck] 1'), await create('[sim:stuck] 2'), await create('[sim:stuck] 3')];
    await submit('[sim:stuck] 4', undefined, 'alibaba/wan-3.0/text-to-video');
    const page = await json('POST', '/wavespeed/api/v3/predictions', { model: wan, page: 1, page_size: 2 });
    expect(page).toMatchObject({
      data: { total: 3, items: [{ id: ids[2], input: { prompt: '[sim:stuck] 3' } }, { id: ids[1] }] },
    });
    expect(await json('POST', '/wavespeed/api/v3/predictions', { model: wan, page: 2, page_size: 2 })).toMatchObject({
      data: { items: [{ id: ids[0] }] },
    });
    expect(await json('POST', '/wavespeed/api/v3/predictions', { status: 'completed' })).toMatchObject({
      data: { total: 0 },
    });
    const later = new Date(Date.now() + 60_000).toISOString();
    expect(await json('POST', '/wavespeed/api/v3/predictions', { created_after: later })).toMatchObject({
      data: { total: 0 },
    });
    expect(await json('POST', '/wavespeed/api/v3/predictions', { created_before: later })).toMatchObject({
      data: { total: 4 },
    });
  });

  test('has at most 100 to a page', async () => {
    const { call } = await startSimulator();
    expect((await call('POST', '/wavespeed/api/v3/predictions', { page_size: 101 })).status).toBe(400);
  });
});

describe('the rest of the account', () => {
  test('balance, price, models and secret', async () => {
    const { create, json } = await startSimulator({ balanceUsd: 10 });
    await create('[sim:stuck]');
    expect(await json('GET', '/wavespeed/api/v3/balance')).toMatchObject({ data: { balance: 9.5 } });
    expect(
      await json('POST', '/wavespeed/api/v3/model/price', { model_id: wan, inputs: { duration: 10 } }),
    ).toMatchObject({
      data: { price: 1, currency: 'USD' },
    });
    expect(await json('GET', '/wavespeed/api/v3/webhook/secret')).toMatchObject({ data: { secret } });
    const catalogue = await json('GET', '/wavespeed/api/v3/models');
    expect(catalogue).toMatchObject({
      data: [
        {
          model_id: wan,
          api_path: `/api/v3/${wan}`,
          api_schema: {
            api_schemas: [
              { request_schema: { required: ['prompt'], properties: { duration: { enum: [5, 10, 15] } } } },
            ],
          },
        },
        ...Array.from({ length: 8 }, () => ({})),
      ],
    });
  });

  test('an upload can be fetched again', async () => {
    const { origin } = await startSimulator();
    const form = new FormData();
    form.append('file', new Blob(['pixels'], { type: 'image/png' }), 'a cat.png');
    const response = await fetch(`${origin}/wavespeed/api/v3/media/upload/binary`, {
      method: 'POST',
      headers: { authorization: 'Bearer key' },
      body: form,
    });
    const { data } = uploadSchema.parse(await response.json());
    expect(data).toMatchObject({ type: 'image', filename: 'a cat.png', size: 6 });
    expect(await (await fetch(data.download_url)).text()).toBe('pixels');
  });

  test('an upload without a file is refused', async () => {
    const { call } = await startSimulator();
    expect((await call('POST', '/wavespeed/api/v3/media/upload/binary', { no: 'file' })).status).toBe(400);
  });
});
