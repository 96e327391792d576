import { describe, expect, test } from 'vitest';

import type { StartOrder, StartOutcome } from '../../../src/providers/provider.ts';
import { createReplicateProvider } from '../../../src/providers/replicate/provider.ts';
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
  model: 'wan-video/wan-2.6-t2v',
  input: { prompt: 'a lighthouse', duration: 5, seed: 7 },
  callbackUrl: 'https://us.example/v1/callbacks/replicate/attempt_1/token?x=1&y=2',
  deadlineMs: 900_000,
};
const version = '5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa';
const accepted = json(201, { id: 'op1', status: 'starting' });

describe('the order', () => {
  test('is one POST: inputs nested, callback in the body, key and deadline in headers', async () => {
    const { outcome, received } = await start(accepted);
    expect(outcome).toEqual({ kind: 'accepted', operation: 'op1' });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      url: '/v1/models/wan-video/wan-2.6-t2v/predictions',
      headers: { authorization: 'Bearer secret-key', 'cancel-after': '900s' },
    });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      input: order.input,
      webhook: order.callbackUrl,
      webhook_events_filter: ['completed'],
    });
  });

  test('never asks the vendor to hold the connection', async () => {
    const { received } = await start(accepted);
    expect(received[0]?.headers).not.toHaveProperty('prefer');
  });

  test('of a pinned version goes where versions go', async () => {
    const model = `owner/name:${version}`;
    const { received } = await start(accepted, { ...order, model });
    expect(received[0]?.url).toBe('/v1/predictions');
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ version: model, input: order.input });
  });

  test('without a callback and a deadline has neither', async () => {
    const { received } = await start(accepted, { model: order.model, input: order.input });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ input: order.input });
    expect(received[0]?.headers).not.toHaveProperty('cancel-after');
  });

  test.each([
    [0, '5s'],
    [4_999, '5s'],
    [5_000, '5s'],
    [5_001, '6s'],
    [3_600_000, '3600s'],
  ])('a deadline of %d ms is %s', async (deadlineMs, expected) => {
    const { received } = await start(accepted, { ...order, deadlineMs });
    expect(received[0]?.headers['cancel-after']).toBe(expected);
  });

  test.each([
    '../admin',
    'a//b',
    'a/../b',
    'a/b/c',
    'a/b?c',
    'a/b c',
    '',
    'a',
    'a/%2e%2e',
    'a/b:latest',
    `a/b:${version}0`,
    version,
  ])('a model %j is never sent', async (model) => {
    const { outcome, received } = await start(accepted, { ...order, model });
    const failure = { code: 'invalid_input', retry: 'elsewhere', vendorCode: 'model_malformed' };
    expect([outcome, received.length]).toEqual([{ kind: 'refused', failure }, 0]);
  });
});

describe('accepted', () => {
  test.each([
    ['202, processing', json(202, { id: 'op1', status: 'processing' })],
    ['200', json(200, { id: 'op1', status: 'processing' })],
    ['201, finished already', json(201, { id: 'op1', status: 'succeeded', output: 'https://cdn.example/v.mp4' })],
    ['failed already: a check will tell why', json(201, { id: 'op1', status: 'failed', error: 'no' })],
    ['nothing but the id', json(201, { id: 'op1' })],
    ['a status nobody knows', json(201, { id: 'op1', status: 'warming' })],
    ['fields of other types', json(201, { id: 'op1', status: 'x', input: 'hidden', model: 7, data_removed: 'no' })],
  ])('%s', async (_name, reply) => {
    const { outcome } = await start(reply);
    expect(outcome).toEqual({ kind: 'accepted', operation: 'op1' });
  });
});

describe('refused: proof that nothing was created', () => {
  test.each([
    ['401', problem(401, 'Unauthenticated'), 'auth', 'http_401'],
    ['402', problem(402, 'Billing required'), 'no_credit', 'http_402'],
    ['404', problem(404, 'The requested resource could not be found.'), 'invalid_input', 'http_404'],
    ['422', problem(422, 'input.duration: must be one of 5, 10, 15'), 'invalid_input', 'http_422'],
    ['429 as text', text(429, 'Too Many Requests'), 'rate_limited', 'http_429'],
  ])('%s', async (_name, reply, ...[code, vendorCode]) => {
    const { outcome, received } = await start(reply);
    expect(outcome).toMatchObject({ kind: 'refused', failure: { code, vendorCode } });
    expect(received).toHaveLength(1);
  });

  test('a model that the vendor does not have may be had elsewhere', async () => {
    const { outcome } = await start(problem(404, 'no such model'));
    expect(outcome).toMatchObject({ failure: { retry: 'elsewhere' } });
  });

  test('429 says how long to wait, in a header or in words', async () => {
    const failure = { code: 'rate_limited', retry: 'same' };
    const inHeader = await start(json(429, {}, { 'retry-after': '7' }));
    expect(inHeader.outcome).toMatchObject({ failure: { ...failure, retryAfterMs: 7_000 } });
    const inWords = await start(json(429, { detail: 'Request was throttled. Your rate limit resets in ~30s.' }));
    expect(inWords.outcome).toMatchObject({ failure: { ...failure, retryAfterMs: 30_000 } });
  });

  test('no connection', async () => {
    const outcome = await providerAt(await deadOrigin()).start(order);
    const failure = { code: 'unreachable', retry: 'same', vendorCode: 'ECONNREFUSED' };
    expect(outcome).toEqual({ kind: 'refused', failure });
  });
});

describe('unknown: something may exist', () => {
  test.each([
    ['500', problem(500, 'no'), 'http_500'],
    ['502 as text', text(502, 'Bad Gateway'), 'http_502'],
    ['504', json(504, {}), 'http_504'],
    ['408', json(408, {}), 'http_408'],
    ['499', json(499, {}), 'http_499'],
    ['308', text(308, '', { location: '/elsewhere' }), 'http_308'],
    ['HTML with 200', html, 'http_200'],
    ['nothing with 201', text(201, ''), 'http_201'],
    ['an array with 201', json(201, []), 'http_201'],
    ['no id', json(201, { status: 'starting' }), 'http_201'],
    ['an id that is no id', json(201, { id: '../account', status: 'starting' }), 'http_201'],
    ['a problem with 200', json(200, { title: 'no', detail: 'no', status: 422 }), 'http_200'],
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
    const { outcome } = await start(problem(422, 'prompt "a lighthouse" is bad'));
    expect(JSON.stringify(outcome)).not.toContain('lighthouse');
  });
});

function problem(status: number, detail: string): Reply {
  return json(status, { title: 'No', detail, status }, { 'content-type': 'application/problem+json' });
}

async function start(reply: Reply, sent: StartOrder = order, startMs?: number) {
  const vendor = await stubVendor(reply);
  const outcome: StartOutcome = await providerAt(vendor.origin, startMs).start(sent);
  return { outcome, received: vendor.received };
}

function providerAt(origin: string, startMs = 5_000) {
  return createReplicateProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { startMs } });
}
