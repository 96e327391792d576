import { describe, expect, test } from 'vitest';

import type { StartOrder, StartOutcome } from '../../../src/providers/provider.ts';
import { createFalProvider } from '../../../src/providers/fal/provider.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  flood,
  html,
  json,
  reset,
  silence,
  stubVendor,
  text,
  type Reply,
} from '../stub-vendor.ts';

const order: StartOrder = {
  model: 'fal-ai/kling-video/v2.6/pro/text-to-video',
  input: { prompt: 'a lighthouse', duration: '5' },
  callbackUrl: 'https://us.example/v1/callbacks/fal/attempt_1/token?x=1&y=2',
  deadlineMs: 90_001,
};

/** A submission as the documents show it; what the test is about is laid over it. */
function submission(fields: object = {}): object {
  return { request_id: 'req-1', response_url: null, cancel_url: null, queue_position: 0, ...fields };
}

describe('the order', () => {
  test('is one POST: inputs flat, callback in the query, key in the header', async () => {
    const { outcome, received } = await start(json(200, submission({ status: 'IN_QUEUE' })));
    expect(outcome).toEqual({ kind: 'accepted', operation: 'req-1' });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: 'POST', headers: { authorization: 'Key secret-key' } });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual(order.input);
    const url = new URL(received[0]?.url ?? '', 'https://vendor.example');
    expect([url.pathname, url.searchParams.get('fal_webhook')]).toEqual([`/${order.model}`, order.callbackUrl]);
  });

  test.each([
    [90_001, '91'],
    [90_000, '90'],
    [1, '1'],
    [-5, '1'],
  ])('tells the vendor our deadline: %d ms are %s s', async (deadlineMs, seconds) => {
    const { received } = await start(json(200, submission()), { ...order, deadlineMs });
    expect(received[0]?.headers['x-fal-request-timeout']).toBe(seconds);
  });

  test('wants the model that was asked for, and leaves the repeats to the vendor', async () => {
    const { deadlineMs: _none, ...unhurried } = order;
    const { received } = await start(json(200, submission()), unhurried);
    expect(received[0]?.headers).toMatchObject({ 'x-app-fal-disable-fallback': '1' });
    expect(received[0]?.headers).not.toHaveProperty('x-fal-no-retry');
    expect(received[0]?.headers).not.toHaveProperty('x-fal-request-timeout');
  });

  test('leaves the switch of the transport to us', async () => {
    const { received } = await start(json(200, submission()), { ...order, input: { prompt: 'x', sync_mode: true } });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ prompt: 'x' });
  });

  test('without a callback has no query', async () => {
    const { callbackUrl: _none, ...polled } = order;
    const { received } = await start(json(200, submission()), polled);
    expect(received[0]?.url).toBe(`/${order.model}`);
  });

  test.each([
    '../admin',
    'a//b',
    'a/../b',
    'a/b?c',
    'a b/c',
    '',
    'a/%2e%2e/b',
    'no-alias',
    'workflows/owner',
    'comfy/owner',
    'a/b@c',
  ])('an endpoint %j is never sent', async (model) => {
    const { outcome, received } = await start(json(200, submission()), { ...order, model });
    const failure = { code: 'invalid_input', retry: 'elsewhere', vendorCode: 'model_malformed' };
    expect([outcome, received.length]).toEqual([{ kind: 'refused', failure }, 0]);
  });
});

describe('accepted', () => {
  test.each([
    ['in progress', submission({ status: 'IN_PROGRESS' })],
    ['a status nobody knows', submission({ status: 'WARMING' })],
    ['without a status', submission()],
    ['a status that is no text', submission({ status: 7 })],
    ['nothing but the id', { request_id: 'req-1' }],
  ])('%s', async (_name, body) => {
    const { outcome } = await start(json(200, body));
    expect(outcome).toEqual({ kind: 'accepted', operation: 'req-1' });
  });
});

describe('refused: proof that nothing was created', () => {
  const detail = (type: string) => ({ detail: [{ loc: ['body', 'prompt'], msg: 'no', type }] });

  test.each([
    ['400', json(400, { detail: 'bad' }), 'invalid_input', 'http_400'],
    ['400, of the platform', json(400, { detail: 'bad', error_type: 'bad_request' }), 'invalid_input', 'bad_request'],
    ['401', json(401, { detail: 'Cannot access application' }), 'auth', 'http_401'],
    ['403', json(403, { detail: 'Forbidden' }), 'auth', 'http_403'],
    ['403, locked', json(403, { detail: 'User is locked.' }), 'no_credit', 'http_403'],
    ['403, exhausted', json(403, { detail: 'Reason: Exhausted balance.' }), 'no_credit', 'http_403'],
    ['403, unlocked', json(403, { detail: 'feature unlocked for others' }), 'auth', 'http_403'],
    ['404', json(404, { detail: 'Application not found' }), 'invalid_input', 'http_404'],
    ['422', json(422, detail('missing')), 'invalid_input', 'http_422'],
    ['422, moderation', json(422, detail('content_policy_violation')), 'moderation', 'content_policy_violation'],
    ['422, the picture', json(422, detail('file_download_error')), 'media_fetch', 'file_download_error'],
    ['429 as text', text(429, 'Too Many Requests'), 'rate_limited', 'http_429'],
    ['402', json(402, {}), 'no_credit', 'http_402'],
  ])('%s', async (_name, reply, ...[code, vendorCode]) => {
    const { outcome, received } = await start(reply);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { code, vendorCode } });
    expect(received).toHaveLength(1);
  });

  test('429 says how long to wait', async () => {
    const { outcome } = await start(json(429, { detail: 'slow down' }, { 'retry-after': '7' }));
    expect(outcome).toMatchObject({ failure: { code: 'rate_limited', retry: 'same', retryAfterMs: 7_000 } });
  });

  test.each([
    ['a type', { error_type: 'concurrent_requests_limit' }, 'outstanding'],
    ['words', { detail: 'Rate limit exceeded' }, 'rate'],
    ['nothing', { detail: 'Too many requests' }, undefined],
  ])('429 says which limit it means: by %s', async (_name, body, limit) => {
    const { outcome } = await start(json(429, body, { 'retry-after': '7' }));
    const failure = { code: 'rate_limited', retry: 'same', vendorCode: 'http_429', retryAfterMs: 7_000 };
    expect(outcome).toEqual({ kind: 'refused', failure: limit === undefined ? failure : { ...failure, limit } });
  });

  test('429 says which limit it means: by a header', async () => {
    const { outcome } = await start(json(429, {}, { 'x-fal-error-type': 'concurrent_requests_limit' }));
    expect(outcome).toMatchObject({ failure: { code: 'rate_limited', limit: 'outstanding' } });
  });

  test('no connection', async () => {
    const outcome = await providerAt(await deadOrigin()).start(order);
    const failure = { code: 'unreachable', retry: 'same', vendorCode: 'ECONNREFUSED' };
    expect(outcome).toEqual({ kind: 'refused', failure });
  });
});

describe('unknown: something may exist', () => {
  test.each([
    ['500', json(500, { detail: 'no', error_type: 'internal_error' }), 'http_500'],
    ['502 as text', text(502, 'Bad Gateway'), 'http_502'],
    ['504, our own limit', json(504, {}, { 'x-fal-request-timeout-type': 'user' }), 'http_504'],
    ['500 with the type of a refusal', json(500, { detail: 'x', error_type: 'bad_request' }), 'http_500'],
    ['408', json(408, {}), 'http_408'],
    ['499', json(499, { detail: 'x', error_type: 'client_disconnected' }), 'http_499'],
    ['308', text(308, '', { location: '/elsewhere' }), 'http_308'],
    ['HTML with 200', html, 'http_200'],
    ['nothing with 200', text(200, ''), 'http_200'],
    ['an array with 200', json(200, []), 'http_200'],
    ['no id', json(200, { status: 'IN_QUEUE' }), 'http_200'],
    ['an id of another type', json(200, { request_id: 7 }), 'http_200'],
    ['an id that is no id', json(200, { request_id: '../../balance' }), 'http_200'],
    ['an id that could pass for ours with a path', json(200, { request_id: 'req-1@a/b' }), 'http_200'],
    ['reset', reset, 'ECONNRESET'],
    ['cut short', cutShort, expect.stringMatching(/^UND_ERR_|^ECONNRESET$/)],
    ['silence', silence, 'timeout'],
    ['a dripping body', drip, 'timeout'],
    ['a hundred megabytes', flood, 'too_large'],
  ])('%s', async (_name, reply, vendorCode) => {
    const waits = vendorCode === 'timeout';
    const { outcome, received } = await start(reply, order, waits ? 100 : undefined);
    expect(outcome).toMatchObject({ kind: 'unknown', failure: { vendorCode } });
    expect(outcome).toMatchObject({ failure: { code: 'ambiguous_submit', retry: 'elsewhere' } });
    expect(received).toHaveLength(1);
  });

  test.each([
    json(422, { detail: [{ msg: 'prompt "a lighthouse" is bad', type: 'a lighthouse', input: 'a lighthouse' }] }),
    json(400, { detail: 'a lighthouse', error_type: 'A lighthouse?' }, { 'x-fal-error-type': 'a lighthouse' }),
  ])("carries codes, never the vendor's words", async (reply) => {
    const { outcome } = await start(reply);
    expect(JSON.stringify(outcome)).not.toContain('lighthouse');
  });
});

test('without the second URL there is no adapter, and it says what to set', () => {
  expect(() => createFalProvider({ baseUrl: 'https://queue.vendor.example', apiKey: 'key' })).toThrow(
    'set other_urls.rest',
  );
});

async function start(reply: Reply, sent: StartOrder = order, startMs?: number) {
  const vendor = await stubVendor(reply);
  const outcome: StartOutcome = await providerAt(vendor.origin, startMs).start(sent);
  return { outcome, received: vendor.received };
}

function providerAt(origin: string, startMs = 5_000) {
  const otherUrls = { rest: `${origin}/rest` };
  return createFalProvider({ baseUrl: origin, otherUrls, apiKey: 'secret-key', timeouts: { startMs } });
}
