import { describe, expect, test } from 'vitest';

import type { StartOrder, StartOutcome } from '../../../src/providers/provider.ts';
import { createWaveSpeedProvider } from '../../../src/providers/wavespeed/provider.ts';
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
  model: 'alibaba/wan-2.6/text-to-video',
  input: { prompt: 'a lighthouse', duration: 5, seed: 7 },
  callbackUrl: 'https://us.example/v1/callbacks/wavespeed/attempt_1/token?x=1&y=2',
};

function envelope(data: unknown, code = 200): object {
  return { code, message: 'success', data };
}

describe('the order', () => {
  test('is one POST: inputs flat, callback in the query, key in the header', async () => {
    const { outcome, received } = await start(json(200, envelope({ id: 'op-1', status: 'created' })));
    expect(outcome).toEqual({ kind: 'accepted', operation: 'op-1' });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: 'POST', headers: { authorization: 'Bearer secret-key' } });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual(order.input);
    const url = new URL(received[0]?.url ?? '', 'https://vendor.example');
    expect([url.pathname, url.searchParams.get('webhook')]).toEqual([`/api/v3/${order.model}`, order.callbackUrl]);
  });

  test('leaves the switches of the transport to us', async () => {
    const input = {
      prompt: 'x',
      enable_sync_mode: true,
      enable_base64_output: true,
      webhook_url: 'https://evil.example',
    };
    const { received } = await start(json(200, envelope({ id: 'op-1', status: 'created' })), { ...order, input });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ prompt: 'x' });
  });

  test('without a callback has no query', async () => {
    const { callbackUrl: _none, ...polled } = order;
    const { received } = await start(json(200, envelope({ id: 'op-1', status: 'created' })), polled);
    expect(received[0]?.url).toBe(`/api/v3/${order.model}`);
  });

  test.each(['../admin', 'a//b', 'a/../b', 'a?b', 'a b', '', 'a/%2e%2e/b'])(
    'a model %j is never sent',
    async (model) => {
      const { outcome, received } = await start(json(200, {}), { ...order, model });
      const failure = { code: 'invalid_input', retry: 'elsewhere', vendorCode: 'model_malformed' };
      expect([outcome, received.length]).toEqual([{ kind: 'refused', failure }, 0]);
    },
  );
});

describe('accepted', () => {
  test.each([
    ['already running', envelope({ id: 'op-1', status: 'processing' })],
    ['nothing but the id', envelope({ id: 'op-1' })],
    ['a status nobody knows', envelope({ id: 'op-1', status: 'warming' })],
    ['without a code', { data: { id: 'op-1', status: 'processing' } }],
    ['an error beside an id: sync mode ran out, the task goes on', envelope({ id: 'op-1', status: 'failed' }, 5004)],
  ])('%s', async (_name, body) => {
    const { outcome } = await start(json(200, body));
    expect(outcome).toEqual({ kind: 'accepted', operation: 'op-1' });
  });
});

describe('refused: proof that nothing was created', () => {
  test.each([
    ['400', json(400, { code: 400, message: 'bad' }), 'invalid_input', 'http_400'],
    ['401', json(401, { code: 401, message: 'bad key' }), 'auth', 'http_401'],
    ['403, out of credit', json(403, { code: 403, message: 'Insufficient credits' }), 'no_credit', 'http_403'],
    ['404', json(404, { code: 404, message: 'no such model' }), 'invalid_input', 'http_404'],
    ['429 as text', text(429, 'Too Many Requests'), 'rate_limited', 'http_429'],
    ['HTTP 200, code 400', json(200, envelope(null, 400)), 'invalid_input', 'http_400'],
    ['HTTP 200, code 401', json(200, envelope({}, 401)), 'auth', 'http_401'],
    ['HTTP 200, code 1200', json(200, envelope(null, 1200)), 'moderation', '1200'],
    ['400, error_code 1402', json(400, { code: 400, message: 'x', error_code: 1402 }), 'media_fetch', '1402'],
  ])('%s', async (_name, reply, ...[code, vendorCode]) => {
    const { outcome, received } = await start(reply);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { code, vendorCode } });
    expect(received).toHaveLength(1);
  });

  test('429 says how long to wait', async () => {
    const { outcome } = await start(json(429, { code: 429 }, { 'retry-after': '7' }));
    expect(outcome).toMatchObject({ failure: { code: 'rate_limited', retry: 'same', retryAfterMs: 7_000 } });
  });

  test('429 with a garbled wait says none', async () => {
    const { outcome } = await start(json(429, { code: 429 }, { 'retry-after': 'soon' }));
    expect(outcome.kind === 'refused' && outcome.failure).not.toHaveProperty('retryAfterMs');
  });

  test('no connection', async () => {
    const outcome = await providerAt(await deadOrigin()).start(order);
    const failure = { code: 'unreachable', retry: 'same', vendorCode: 'ECONNREFUSED' };
    expect(outcome).toEqual({ kind: 'refused', failure });
  });
});

describe('unknown: something may exist', () => {
  test.each([
    ['500', json(500, { code: 500, message: 'no' }), 'http_500'],
    ['502 as text', text(502, 'Bad Gateway'), 'http_502'],
    ['504', json(504, {}), 'http_504'],
    ['500 with the code of a refusal', json(500, { code: 400, error_code: 1401 }), 'http_500'],
    ['408', json(408, {}), 'http_408'],
    ['499', json(499, {}), 'http_499'],
    ['308', text(308, '', { location: '/elsewhere' }), 'http_308'],
    ['HTML with 200', html, 'http_200'],
    ['nothing with 200', text(200, ''), 'http_200'],
    ['an array with 200', json(200, []), 'http_200'],
    ['no data', json(200, envelope(null)), 'http_200'],
    ['no id', json(200, envelope({ status: 'created' })), 'http_200'],
    ['an id that is no id', json(200, envelope({ id: '../../balance', status: 'created' })), 'http_200'],
    ['HTTP 200, code 500', json(200, envelope(null, 500)), 'http_500'],
    ['HTTP 200, code 408', json(200, envelope(null, 408)), 'http_408'],
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

  test("carries codes, never the vendor's words", async () => {
    const { outcome } = await start(json(400, { code: 400, message: 'prompt "a lighthouse" is bad' }));
    expect(JSON.stringify(outcome)).not.toContain('lighthouse');
  });
});

async function start(reply: Reply, sent: StartOrder = order, startMs?: number) {
  const vendor = await stubVendor(reply);
  const outcome: StartOutcome = await providerAt(vendor.origin, startMs).start(sent);
  return { outcome, received: vendor.received };
}

function providerAt(origin: string, startMs = 5_000) {
  return createWaveSpeedProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { startMs } });
}
