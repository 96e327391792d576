import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { startReceiver } from '../setup.ts';
import { kling, startFal, submissionSchema } from './setup.ts';

const app = 'fal-ai/kling-video';
const image = 'https://example.com/cat.png';

describe('a submit', () => {
  test('is taken with the URLs to follow it by, and they lead to the video', async () => {
    const { origin, submit, ask, completed } = await startFal();
    const response = await submit('a cat');
    const submission = await response.json();
    expect([response.status, submission]).toMatchObject([200, { status: 'IN_QUEUE', queue_position: 0 }]);
    const { request_id: id, status_url, response_url, cancel_url } = submissionSchema.parse(submission);
    const base = `${origin}/fal/${app}/requests/${id}`;
    expect([status_url, response_url, cancel_url]).toEqual([`${base}/status`, base, `${base}/cancel`]);
    expect(await completed(status_url)).toEqual({
      status: 'COMPLETED',
      request_id: id,
      status_url,
      response_url,
      cancel_url,
      logs: null,
      metrics: { inference_time: expect.any(Number) },
    });
    const result = await ask('GET', response_url);
    expect([result.status, result.headers.get('x-fal-request-id')]).toEqual([200, id]);
    const { video } = z.object({ video: z.object({ url: z.url() }) }).parse(await result.json());
    expect((await fetch(video.url)).headers.get('content-type')).toBe('video/mp4');
  });

  test.each([
    ['wan/v2.6/text-to-video', { prompt: 'a cat', duration: '15', resolution: '720p', enable_prompt_expansion: false }],
    ['wan/v2.6/image-to-video', { prompt: 'a cat', image_url: image, seed: 7, resolution: '1080p' }],
    ['fal-ai/kling-video/v2.5-turbo/pro/text-to-video', { prompt: 'a cat', duration: '10', cfg_scale: 0.5 }],
    ['fal-ai/kling-video/v2.5-turbo/pro/image-to-video', { prompt: 'a cat', image_url: image }],
    [kling, { prompt: 'a cat', duration: '5', aspect_ratio: '9:16', generate_audio: false, unknown_field: 1 }],
    ['fal-ai/kling-video/v2.6/pro/image-to-video', { prompt: 'a cat', start_image_url: image }],
  ])('%s takes what its page lists', async (model, input) => {
    const { ask } = await startFal();
    expect((await ask('POST', `/${model}`, { body: input })).status).toBe(200);
  });

  test.each([
    [kling, {}, 'missing', ['body', 'prompt']],
    [kling, { prompt: 'a cat', duration: 5 }, 'value_error', ['body', 'duration']],
    [kling, { prompt: 'a cat', duration: '7' }, 'value_error', ['body', 'duration']],
    [kling, { prompt: 'a cat', generate_audio: 'no' }, 'value_error', ['body', 'generate_audio']],
    ['wan/v2.6/text-to-video', { prompt: 'a'.repeat(1_501) }, 'value_error', ['body', 'prompt']],
    ['wan/v2.6/image-to-video', { prompt: 'a cat' }, 'missing', ['body', 'image_url']],
    [
      'fal-ai/kling-video/v2.6/pro/image-to-video',
      { prompt: 'a', image_url: image },
      'missing',
      ['body', 'start_image_url'],
    ],
    [kling, 'not json', 'value_error', ['body']],
    [kling, { prompt: '[sim:nonsense]' }, 'value_error', ['body']],
    [`${kling}?fal_webhook=nowhere`, { prompt: 'a cat' }, 'value_error', ['body', 'webhook']],
  ])('%s refuses %j', async (path, body, ...[type, loc]) => {
    const { ask, counts } = await startFal();
    const response = await ask('POST', `/${path}`, { body });
    expect([response.status, await response.json()]).toMatchObject([422, { detail: [{ type, loc }] }]);
    expect(await counts()).toMatchObject({ submits: 1, created: 0 });
  });

  test('for an unknown endpoint is not found', async () => {
    const { ask } = await startFal();
    const response = await ask('POST', '/fal-ai/sora-2', { body: { prompt: 'a cat' } });
    expect([response.status, await response.json()]).toEqual([404, { detail: 'Application not found' }]);
  });

  test('is refused for a wrong key, as is everything else of the account', async () => {
    const { ask, create } = await startFal();
    const { status_url, response_url, cancel_url } = await create('[sim:stuck]');
    const headers = { authorization: 'Bearer key' };
    const calls = [
      ['POST', `/${kling}`],
      ['GET', status_url],
      ['GET', response_url],
      ['PUT', cancel_url],
      ['POST', '/rest/storage/upload/initiate'],
    ] as const;
    for (const [method, url] of calls) expect((await ask(method, url, { headers })).status).toBe(401);
  });

  test.each(['soon', '0', '0.1', '-1', 'Infinity'])('with the time limit %j is a bad request', async (seconds) => {
    const { submit, counts } = await startFal();
    const response = await submit('a cat', undefined, { 'x-fal-request-timeout': seconds });
    expect([response.status, await response.json()]).toMatchObject([400, { error_type: 'bad_request' }]);
    expect(await counts()).toMatchObject({ created: 0 });
  });

  test('without money gets 403', async () => {
    const { submit } = await startFal({ balanceUsd: 0.1 });
    const response = await submit('a cat');
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('locked')]);
  });
});

describe('a faulty submit', () => {
  test.each([
    ['submit-429=7', 429, 0],
    ['submit-429-bare', 429, 0],
    ['submit-500-before', 500, 0],
    ['submit-500-after', 500, 1],
    ['submit-refused', 422, 0],
    ['no-credit', 403, 0],
    ['submit-slow=5', 200, 1],
  ])('%s answers %d and creates %d', async (marker, status, created) => {
    const { submit, counts } = await startFal();
    const response = await submit(`[sim:${marker}]`);
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(marker === 'submit-429=7' ? '7' : null);
    expect(await counts()).toMatchObject({ submits: 1, created });
  });

  test.each([
    ['submit-reset-before', 0],
    ['submit-reset-after', 1],
  ])('%s breaks the connection and creates %d', async (marker, created) => {
    const { submit, counts } = await startFal();
    await expect(submit(`[sim:${marker}]`)).rejects.toThrow('fetch failed');
    expect(await counts()).toMatchObject({ submits: 1, created });
  });

  test.each([
    ['submit-hang-before', 0],
    ['submit-hang-after', 1],
  ])('%s never answers and creates %d', async (marker, created) => {
    const { origin, counts } = await startFal();
    const request = fetch(`${origin}/fal/${kling}`, {
      method: 'POST',
      headers: { authorization: 'Key key' },
      body: JSON.stringify({ prompt: `[sim:${marker}]` }),
      signal: AbortSignal.timeout(60),
    });
    await expect(request).rejects.toThrow('aborted');
    expect(await counts()).toMatchObject({ submits: 1, created });
  });
});

describe('over the limit', () => {
  test('nothing is refused: what is beyond waits its turn', async () => {
    const { create, state, ask, counts } = await startFal({ tier: 'bronze' });
    const running = [await create('[sim:stuck] 1'), await create('[sim:stuck] 2')];
    const [third, fourth] = [await create('[sim:stuck] 3'), await create('[sim:stuck] 4')];
    expect(await counts()).toMatchObject({ created: 4, outstanding: 4, rejected: {} });
    await vi.waitFor(async () => {
      for (const { status_url } of running) expect(await state(status_url)).toMatchObject({ status: 'IN_PROGRESS' });
    });
    expect(await state(third.status_url)).toMatchObject({ status: 'IN_QUEUE', queue_position: 0 });
    expect(await state(fourth.status_url)).toMatchObject({ status: 'IN_QUEUE', queue_position: 1 });
    await ask('PUT', running[0]?.cancel_url ?? '');
    await vi.waitFor(async () => expect(await state(third.status_url)).toMatchObject({ status: 'IN_PROGRESS' }));
  });

  test('the time limit ends what has not begun, and nothing else', async () => {
    const { create, state, completed, ask, counts } = await startFal({ tier: { outstanding: 1, perMinute: 100 } });
    const running = await create('[sim:stuck] 1', undefined, { 'x-fal-request-timeout': '0.15' });
    await vi.waitFor(async () => expect(await state(running.status_url)).toMatchObject({ status: 'IN_PROGRESS' }));
    const waiting = await create('[sim:stuck] 2', undefined, { 'x-fal-request-timeout': '0.15' });
    expect(await completed(waiting.status_url)).toMatchObject({ error_type: 'request_timeout' });
    expect((await ask('GET', waiting.response_url)).status).toBe(504);
    expect(await state(running.status_url)).toMatchObject({ status: 'IN_PROGRESS' });
    expect(await counts()).toMatchObject({ outstanding: 1, refunded: 1 });
  });
});

describe('what is completed without success', () => {
  test.each([
    ['failed', 500, 'runner_server_error'],
    ['failed=5000', 500, 'internal_error'],
    ['failed=5003', 503, 'runner_disconnected'],
    ['stuck=1', 504, 'request_timeout'],
  ])('%s is the platform’s: state and result say it, the result with %d', async (marker, status, type) => {
    const { create, completed, ask, counts } = await startFal();
    const { status_url, response_url, request_id: id } = await create(`[sim:${marker}]`);
    expect(await completed(status_url)).toMatchObject({ error: expect.stringMatching(/./), error_type: type });
    const result = await ask('GET', response_url);
    expect([result.status, result.headers.get('x-fal-request-id')]).toEqual([status, id]);
    expect(result.headers.get('x-fal-error-type')).toBe(type);
    expect(await result.json()).toEqual({ detail: expect.any(String), error_type: type });
    expect(await counts()).toMatchObject({ billed: 1, refunded: 1, outstanding: 0 });
  });

  test.each([
    ['failed=1400', 422, 'missing', 'false'],
    ['failed=1401', 422, 'value_error', 'false'],
    ['failed=1402', 422, 'file_download_error', 'false'],
    ['failed=5004', 504, 'generation_timeout', 'true'],
    ['failed-fast', 500, 'internal_server_error', 'true'],
    ['moderation', 422, 'content_policy_violation', 'false'],
  ])('%s is the model’s: the state says no more than that, the result %d', async (marker, status, ...[type, again]) => {
    const { create, completed, ask, counts } = await startFal();
    const { status_url, response_url, request_id: id } = await create(`[sim:${marker}]`);
    const state = await completed(status_url);
    expect(state).toMatchObject({ error: `Invalid status code: ${status}` });
    expect(state).not.toHaveProperty('error_type');
    const result = await ask('GET', response_url);
    expect([result.status, result.headers.get('x-fal-request-id')]).toEqual([status, id]);
    expect(result.headers.get('x-fal-retryable')).toBe(again);
    expect(await result.json()).toEqual({ detail: [{ loc: expect.any(Array), msg: expect.any(String), type }] });
    expect(await counts()).toMatchObject({ billed: 1, refunded: 1, outstanding: 0 });
  });

  test('the result of what is under way, or of nobody, is none', async () => {
    const { create, ask, state } = await startFal();
    const { response_url, request_id: id } = await create('[sim:stuck]');
    expect((await ask('GET', response_url)).status).toBe(400);
    expect(await state(`/${app}/requests/unknown/status`)).toEqual({ detail: 'Request not found' });
    expect((await ask('GET', `/${app}/requests/unknown`)).status).toBe(404);
    for (const other of [kling, 'fal-ai', 'wan/v2.6']) {
      expect((await ask('GET', `/${other}/requests/${id}/status`)).status).toBe(404);
    }
  });

  test('when its data are gone, the state stays and the result does not', async () => {
    const { create, completed, ask, origin } = await startFal();
    const { status_url, response_url, request_id: id } = await create('[sim:data-removed]');
    expect(await completed(status_url)).not.toHaveProperty('error');
    expect((await ask('GET', response_url)).status).toBe(404);
    expect((await fetch(`${origin}/outputs/${id}.mp4`)).status).toBe(404);
  });

  test('an output that is lost is found out where it was', async () => {
    const { create, completed, ask, origin } = await startFal();
    const { status_url, response_url, request_id: id } = await create('[sim:output-404]');
    await completed(status_url);
    expect((await ask('GET', response_url)).status).toBe(200);
    expect((await fetch(`${origin}/outputs/${id}.mp4`)).status).toBe(404);
  });
});

describe('cancelling', () => {
  test('what waits costs nothing; what runs is billed; neither calls back', async () => {
    const { create, state, ask, counts } = await startFal({ tier: { outstanding: 1, perMinute: 100 } });
    const receiver = await startReceiver();
    const running = await create('[sim:stuck] 1', receiver.url('a1'));
    const waiting = await create('[sim:stuck] 2', receiver.url('a2'));
    await vi.waitFor(async () => expect(await state(running.status_url)).toMatchObject({ status: 'IN_PROGRESS' }));
    for (const { cancel_url, status_url } of [waiting, running]) {
      const response = await ask('PUT', cancel_url);
      expect([response.status, await response.json()]).toEqual([202, { status: 'CANCELLATION_REQUESTED' }]);
      expect(await state(status_url)).toMatchObject({ status: 'COMPLETED', error_type: 'client_cancelled' });
    }
    expect(await counts()).toMatchObject({ billed: 2, refunded: 1, outstanding: 0, callbacks_sent: 0 });
    const again = await ask('PUT', running.cancel_url);
    expect([again.status, await again.json()]).toEqual([400, { status: 'ALREADY_COMPLETED' }]);
    expect((await ask('PUT', `/${app}/requests/unknown/cancel`)).status).toBe(404);
  });
});
