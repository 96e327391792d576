import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { signCallback } from '../../src/simulator/signature.ts';
import { createdSchema, secret, startReceiver, startSimulator, wan } from './setup.ts';

const uploadSchema = z.object({ data: z.looseObject({ download_url: z.url() }) });
const predictionsSchema = z.array(z.object({ id: z.string(), input: z.object({ prompt: z.string() }) }));

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
        urls: { get: expect.stringContaining(`${origin}/api/v3/predictions/`) },
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
    for (const path of [`/api/v3/predictions/${id}`, `/api/v3/predictions/${id}/result`]) {
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
    const response = await call('POST', `/api/v3/${model}`, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: status, message: expect.any(String) });
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 1, created: 0 });
  });

  test('is refused for a wrong key, as is everything else of the account', async () => {
    const { callAs } = await startSimulator();
    const paths = [
      `POST /api/v3/${wan}`,
      'GET /api/v3/balance',
      'GET /api/v3/predictions/x',
      'POST /api/v3/predictions',
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
    const request = fetch(`${origin}/api/v3/${wan}`, {
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
      expect(headers['webhook-signature']).toBe(signCallback(secret, { id, timestamp, body }));
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
      return headers['webhook-signature'] === signCallback(secret, { id, timestamp, body });
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
    expect(await json('GET', `/api/v3/predictions/${id}/result`)).toMatchObject({
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
    expect(await json('DELETE', `/api/v3/predictions/${id}`)).toMatchObject({
      code: 200,
      data: { id, status: 'deleted' },
    });
    expect((await call('GET', `/api/v3/predictions/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/api/v3/predictions/${id}`)).status).toBe(404);
    expect(await json('POST', '/api/v3/predictions', {})).toMatchObject({ data: { items: [] } });
    expect(await json('GET', '/control/counts')).toMatchObject({ outstanding: 1, billed: 1 });
    expect(await json('GET', '/control/predictions')).toMatchObject([{ id, deleted: true }]);
    await json('POST', `/control/finish/${id}`);
    expect(await json('GET', '/control/counts')).toMatchObject({ outstanding: 0, billed: 1, callbacks_sent: 0 });
  });

  test('takes many ids at once', async () => {
    const { call, create, json } = await startSimulator();
    const ids = [await create('[sim:stuck]'), await create('[sim:stuck]')];
    expect(await json('POST', '/api/v3/predictions/delete', { ids })).toMatchObject({
      data: ids.map((id) => ({ id, status: 'deleted' })),
    });
    expect((await call('POST', '/api/v3/predictions/delete', { ids })).status).toBe(404);
    expect((await call('POST', '/api/v3/predictions/delete', {})).status).toBe(400);
  });
});

describe('the list', () => {
  test('is newest first, in pages, filtered, and says what was asked for', async () => {
    const { create, json, submit } = await startSimulator();
    const ids = [await create('[sim:stuck] 1'), await create('[sim:stuck] 2'), await create('[sim:stuck] 3')];
    await submit('[sim:stuck] 4', undefined, 'alibaba/wan-3.0/text-to-video');
    const page = await json('POST', '/api/v3/predictions', { model: wan, page: 1, page_size: 2 });
    expect(page).toMatchObject({
      data: { total: 3, items: [{ id: ids[2], input: { prompt: '[sim:stuck] 3' } }, { id: ids[1] }] },
    });
    expect(await json('POST', '/api/v3/predictions', { model: wan, page: 2, page_size: 2 })).toMatchObject({
      data: { items: [{ id: ids[0] }] },
    });
    expect(await json('POST', '/api/v3/predictions', { status: 'completed' })).toMatchObject({ data: { total: 0 } });
    const later = new Date(Date.now() + 60_000).toISOString();
    expect(await json('POST', '/api/v3/predictions', { created_after: later })).toMatchObject({ data: { total: 0 } });
    expect(await json('POST', '/api/v3/predictions', { created_before: later })).toMatchObject({ data: { total: 4 } });
  });

  test('has at most 100 to a page', async () => {
    const { call } = await startSimulator();
    expect((await call('POST', '/api/v3/predictions', { page_size: 101 })).status).toBe(400);
  });
});

describe('the rest of the account', () => {
  test('balance, price, models and secret', async () => {
    const { create, json } = await startSimulator({ balanceUsd: 10 });
    await create('[sim:stuck]');
    expect(await json('GET', '/api/v3/balance')).toMatchObject({ data: { balance: 9.5 } });
    expect(await json('POST', '/api/v3/model/price', { model_id: wan, inputs: { duration: 10 } })).toMatchObject({
      data: { price: 1, currency: 'USD' },
    });
    expect(await json('GET', '/api/v3/webhook/secret')).toMatchObject({ data: { secret } });
    const catalogue = await json('GET', '/api/v3/models');
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
    const response = await fetch(`${origin}/api/v3/media/upload/binary`, {
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
    expect((await call('POST', '/api/v3/media/upload/binary', { no: 'file' })).status).toBe(400);
  });
});

describe('an output', () => {
  test('is an MP4, whole or in ranges', async () => {
    const { create, origin } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create('a cat', receiver.url('a1'));
    await receiver.wait(1);
    const whole = await fetch(`${origin}/outputs/${id}.mp4`);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(whole.headers.get('content-length')).toBe(String(bytes.length));
    const part = await fetch(`${origin}/outputs/${id}.mp4`, { headers: { range: 'bytes=4-7' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 4-7/${bytes.length}`);
    expect(await part.text()).toBe('ftyp');
    expect((await fetch(`${origin}/outputs/${id}.mp4`, { headers: { range: 'bytes=9999999-' } })).status).toBe(416);
    expect((await fetch(`${origin}/outputs/${id}.mp4`, { method: 'HEAD' })).headers.get('content-length')).toBe(
      String(bytes.length),
    );
  });

  test.each(['[sim:stuck]', '[sim:output-404][sim:callback-early]'])('is missing for %s', async (prompt) => {
    const { create, origin } = await startSimulator();
    expect((await fetch(`${origin}/outputs/${await create(prompt)}.mp4`)).status).toBe(404);
  });
});

describe('control', () => {
  test('counts submits per callback URL, also those turned away', async () => {
    const { json, submit } = await startSimulator();
    const receiver = await startReceiver();
    await submit('[sim:submit-500-before*1][sim:stuck]', receiver.url('a1'));
    await submit('[sim:submit-500-before*1][sim:stuck]', receiver.url('a1'));
    expect(await json('GET', '/control/submits')).toMatchObject([{ correlation: 'a1', submits: 2, created: 1 }]);
    expect(await json('GET', '/control/predictions')).toMatchObject([
      { correlation: 'a1', webhook: receiver.url('a1'), status: expect.any(String) },
    ]);
    expect(await json('GET', '/control/counts')).toMatchObject({
      submits: 2,
      created: 1,
      outstanding_max: 1,
      submits_per_webhook_max: 2,
      rejected: { 'submit-500-before': 1 },
      by_model: { [wan]: { submits: 2, created: 1 } },
    });
  });

  test('replaces the fault plan, and refuses a bad one', async () => {
    const { call, json, submit } = await startSimulator({ faults: [{ share: 1, fault: { kind: 'submit-refused' } }] });
    expect((await submit('a cat')).status).toBe(400);
    expect(await json('POST', '/control/faults', [{ share: 1, fault: { kind: 'submit-429' } }])).toMatchObject({
      rules: [{ fault: { retryAfterSeconds: 1 } }],
    });
    expect((await submit('a cat')).status).toBe(429);
    expect((await call('POST', '/control/faults', [{ share: 2, fault: { kind: 'unheard-of' } }])).status).toBe(400);
  });

  test('ends a stuck prediction, once, and its callback has arrived by then', async () => {
    const { call, create, json } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create('[sim:stuck]', receiver.url('a1'));
    expect(await json('POST', `/control/finish/${id}`, { status: 'failed' })).toMatchObject({ id, status: 'failed' });
    expect(receiver.received).toHaveLength(1);
    expect((await call('POST', `/control/finish/${id}`)).status).toBe(409);
    expect((await call('POST', '/control/finish/unknown')).status).toBe(404);
  });

  test('resets everything but the ids already given away', async () => {
    const { call, create, json } = await startSimulator();
    const before = await create('[sim:stuck]');
    await json('POST', '/control/reset');
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 0, outstanding: 0, outstanding_max: 0 });
    expect((await call('GET', `/api/v3/predictions/${before}`)).status).toBe(404);
    expect(await create('[sim:stuck]')).not.toBe(before);
  });
});

test('the same seed gives the same ids and faults', async () => {
  expect(await runSeeded(5)).toEqual(await runSeeded(5));
  expect(await runSeeded(5)).not.toEqual(await runSeeded(6));
});

async function runSeeded(seed: number) {
  const { json, submit } = await startSimulator({ seed, faults: [{ share: 0.5, fault: { kind: 'submit-refused' } }] });
  for (let count = 0; count < 12; count++) await submit(`[sim:stuck] ${count}`);
  const predictions = predictionsSchema.parse(await json('GET', '/control/predictions'));
  return predictions.map(({ id, input }) => [id, input.prompt]);
}

test('closing with jobs under way, hanging requests and open sockets is quick', async () => {
  const { close, submit } = await startSimulator({ timeScale: 1 });
  const hanging = submit('[sim:submit-hang-after]').catch((error: unknown) => error);
  await submit('a cat');
  await close();
  expect(await hanging).toBeInstanceOf(TypeError);
});
