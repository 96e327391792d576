import { describe, expect, test } from 'vitest';

import type { StartOrder, StartOutcome } from '../../../src/providers/provider.ts';
import { createRunwayProvider } from '../../../src/providers/runway/provider.ts';
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
  model: 'text_to_video/gen4.5',
  input: { promptText: 'a lighthouse', duration: 5, ratio: '1280:720' },
  deadlineMs: 900_000,
};
const created = json(200, { id: '497f6eca-6276-4993-bfeb-53cbbbba6f08' });

describe('the order', () => {
  test('is one POST to the route, with the model in the body and the version in a header', async () => {
    const { outcome, received } = await start(created);
    expect(outcome).toEqual({ kind: 'accepted', operation: '497f6eca-6276-4993-bfeb-53cbbbba6f08' });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      url: '/v1/text_to_video',
      headers: { authorization: 'Bearer secret-key', 'x-runway-version': '2024-11-06' },
    });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ ...order.input, model: 'gen4.5' });
  });

  test('names the model of the catalogue, whatever the input says', async () => {
    const { received } = await start(created, { ...order, input: { ...order.input, model: 'veo3' } });
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ model: 'gen4.5' });
  });

  test('never gives away a callback URL, for it would not be called', async () => {
    const { received } = await start(created, { ...order, callbackUrl: 'https://us.example/token' });
    expect(JSON.stringify(received)).not.toContain('us.example');
  });

  test.each(['../admin', 'gen4.5', 'a/b/c', '/gen4.5', 'text_to_video/', 'a?b/c', 'a b/c', '', 'a/%2e%2e', './x'])(
    'a model %j is never sent',
    async (model) => {
      const { outcome, received } = await start(created, { ...order, model });
      const failure = { code: 'invalid_input', retry: 'elsewhere', vendorCode: 'model_malformed' };
      expect([outcome, received.length]).toEqual([{ kind: 'refused', failure }, 0]);
    },
  );
});

describe('refused: proof that nothing was created', () => {
  test.each([
    ['400', json(400, { error: 'duration' }), 'invalid_input', 'http_400'],
    ['400, out of credit', json(400, { error: 'You do not have enough credits.' }), 'no_credit', 'http_400'],
    ['401', json(401, { error: 'bad key' }), 'auth', 'http_401'],
    ['404', json(404, { error: 'no such route' }), 'invalid_input', 'http_404'],
    ['429 as text', text(429, 'Too Many Requests'), 'rate_limited', 'http_429'],
  ])('%s', async (_name, reply, ...[code, vendorCode]) => {
    const { outcome, received } = await start(reply);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { code, vendorCode } });
    expect(received).toHaveLength(1);
  });

  test('429 says how long to wait', async () => {
    const { outcome } = await start(json(429, { error: 'slow down' }, { 'retry-after': '7' }));
    expect(outcome).toMatchObject({ failure: { code: 'rate_limited', retry: 'same', retryAfterMs: 7_000 } });
  });

  test('no connection', async () => {
    const outcome = await providerAt(await deadOrigin()).start(order);
    const failure = { code: 'unreachable', retry: 'same', vendorCode: 'ECONNREFUSED' };
    expect(outcome).toEqual({ kind: 'refused', failure });
  });
});

describe('unknown: something may exist', () => {
  test.each([
    ['500', json(500, { error: 'no' }), 'http_500'],
    ['502 as text', text(502, 'Bad Gateway'), 'http_502'],
    ['503', json(503, {}), 'http_503'],
    ['504', json(504, {}), 'http_504'],
    ['408', json(408, {}), 'http_408'],
    ['499', json(499, {}), 'http_499'],
    ['308', text(308, '', { location: '/elsewhere' }), 'http_308'],
    ['HTML with 200', html, 'http_200'],
    ['nothing with 200', text(200, ''), 'http_200'],
    ['an array with 200', json(200, []), 'http_200'],
    ['no id', json(200, { status: 'PENDING' }), 'http_200'],
    ['an id of another type', json(200, { id: 7 }), 'http_200'],
    ['an id that is no id', json(200, { id: '../organization' }), 'http_200'],
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
    const { outcome } = await start(json(400, { error: 'prompt "a lighthouse" is bad' }));
    expect(JSON.stringify(outcome)).not.toContain('lighthouse');
  });
});

async function start(reply: Reply, sent: StartOrder = order, startMs?: number) {
  const vendor = await stubVendor(reply);
  const outcome: StartOutcome = await providerAt(vendor.origin, startMs).start(sent);
  return { outcome, received: vendor.received };
}

function providerAt(origin: string, startMs = 5_000) {
  return createRunwayProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { startMs } });
}
