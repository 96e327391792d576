import { describe, expect, test } from 'vitest';

import { createWaveSpeedProvider } from '../../../src/providers/wavespeed/provider.ts';
import { deadOrigin, drip, html, json, reset, stubVendor, text, type Reply } from '../stub-vendor.ts';

function prediction(fields: object): Reply {
  return json(200, { code: 200, message: 'success', data: { id: 'op-1', ...fields } });
}

describe('check', () => {
  test.each([
    ['created', { status: 'created' }, { kind: 'queued' }],
    ['processing', { status: 'processing' }, { kind: 'running' }],
    ['a status nobody knows', { status: 'polishing' }, { kind: 'running' }],
    [
      'completed',
      { status: 'completed', outputs: [null, 'https://cdn.vendor.example/v.mp4'] },
      { kind: 'finished', video: { url: 'https://cdn.vendor.example/v.mp4' } },
    ],
    ['completed with nothing', { status: 'completed', outputs: [] }, failed('output_expired', 'elsewhere')],
    ['completed with null', { status: 'completed', outputs: null }, failed('output_expired', 'elsewhere')],
    ['completed with base64', { status: 'completed', outputs: ['data:x'] }, failed('output_expired', 'elsewhere')],
    ['failed', { status: 'failed', error: 'it broke' }, failed('provider_failed', 'same')],
    ['failed, data.code', { status: 'failed', code: 1200, error: 'no' }, failed('moderation', 'never')],
    ['failed, data.error_code', { status: 'failed', error_code: '1402' }, failed('media_fetch', 'never')],
    ['failed, a number in error', { status: 'failed', code: 0, error: '1401: size' }, failed('invalid_input', 'never')],
    ['timeout', { status: 'timeout' }, failed('timed_out', 'elsewhere')],
    ['cancelled', { status: 'cancelled' }, failed('provider_failed', 'elsewhere')],
    ['deleted', { status: 'deleted' }, failed('provider_failed', 'elsewhere')],
  ])('%s', async (_name, fields, expected) => {
    const { origin, received } = await stubVendor(prediction(fields));
    expect(await providerAt(origin).check({ operation: 'op-1', model: 'm' })).toMatchObject(expected);
    expect(received).toMatchObject([{ method: 'GET', url: '/api/v3/predictions/op-1/result' }]);
  });

  test("the envelope's code is the last place to look", async () => {
    const { origin } = await stubVendor(json(200, { code: 1200, data: { id: 'op-1', status: 'failed', error: 'no' } }));
    expect(await providerAt(origin).check({ operation: 'op-1', model: 'm' })).toMatchObject(
      failed('moderation', 'never'),
    );
  });

  test.each([
    ['404', json(404, { code: 404, message: 'not found' })],
    ['HTTP 200, code 404', json(200, { code: 404, data: null })],
  ])('%s: the operation is missing', async (_name, reply) => {
    const { origin } = await stubVendor(reply);
    expect(await providerAt(origin).check({ operation: 'op-1', model: 'm' })).toMatchObject(
      failed('provider_failed', 'elsewhere'),
    );
  });

  test.each([
    ['401', json(401, { code: 401 }), 'auth'],
    ['429', json(429, { code: 429 }, { 'retry-after': '3' }), 'rate_limited'],
    ['500', json(500, {}), 'unreachable'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
    ["a gateway's own 404", text(404, '<html>no such route</html>'), 'unreachable'],
    ['400', json(400, { code: 400, message: 'bad', error_code: 1401 }), 'unreachable'],
    ['a redirect', text(302, '', { location: '/login' }), 'unreachable'],
    ['no data', json(200, { code: 200, data: null }), 'unreachable'],
    ['no status', prediction({}), 'unreachable'],
    ['another operation', prediction({ id: 'op-2', status: 'completed' }), 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('%s: ask again', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    const asked = providerAt(origin).check({ operation: 'op-1', model: 'm' });
    await expect(asked).rejects.toMatchObject({ name: 'ProviderUnreachableError', failure: { code } });
  });

  test('a dripping body: ask again', async () => {
    const { origin } = await stubVendor(drip);
    const asked = providerAt(origin, 100).check({ operation: 'op-1', model: 'm' });
    await expect(asked).rejects.toMatchObject({ failure: { vendorCode: 'timeout' } });
  });

  test('nobody there: ask again', async () => {
    const asked = providerAt(await deadOrigin()).check({ operation: 'op-1', model: 'm' });
    await expect(asked).rejects.toMatchObject({ failure: { vendorCode: 'ECONNREFUSED' } });
  });

  test.each(['../balance', '..', 'a/b', 'a?b', ''])('an id %j is never put into a path', async (operation) => {
    const { origin, received } = await stubVendor(prediction({ status: 'created' }));
    await expect(providerAt(origin).check({ operation, model: 'm' })).rejects.toThrow('assertion failed');
    expect(received).toHaveLength(0);
  });
});

describe('cancel', () => {
  test.each([
    ['deleted', json(200, { code: 200, data: { id: 'op-1', status: 'deleted' } }), true],
    ['HTTP 200, code 403', json(200, { code: 403 }), false],
    ['404', json(404, { code: 404 }), false],
    ['500', json(500, {}), false],
    ['HTML', html, false],
    ['reset', reset, false],
  ])('%s', async (_name, reply, confirmed) => {
    const { origin, received } = await stubVendor(reply);
    expect(await providerAt(origin).cancel({ operation: 'op-1', model: 'm' })).toBe(confirmed);
    expect(received).toMatchObject([{ method: 'DELETE', url: '/api/v3/predictions/op-1' }]);
  });
});

describe('uploadImage', () => {
  const image = { bytes: Buffer.from([0xff, 0xd8, 0xff]), contentType: 'image/jpeg' } as const;

  test('sends the file and returns its URL', async () => {
    const data = { type: 'image', download_url: 'https://cdn.vendor.example/i.jpg' };
    const { origin, received } = await stubVendor(json(200, { code: 200, data }));
    expect(await providerAt(origin).uploadImage(image)).toBe(data.download_url);
    expect(received).toMatchObject([{ method: 'POST', url: '/api/v3/media/upload/binary' }]);
    expect(received[0]?.body).toContain('name="file"; filename="input.jpeg"\r\nContent-Type: image/jpeg\r\n\r\n');
  });

  test.each([
    ['no URL', json(200, { code: 200, data: {} }), 'unreachable'],
    ['no web URL', json(200, { code: 200, data: { download_url: 'file:///x' } }), 'unreachable'],
    ['too large', text(413, 'no'), 'invalid_input'],
    ['HTTP 200, code 401', json(200, { code: 401 }), 'auth'],
  ])('%s', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    await expect(providerAt(origin).uploadImage(image)).rejects.toMatchObject({ failure: { code } });
  });
});

function failed(code: string, retry: string) {
  return { kind: 'failed', failure: { code, retry } };
}

function providerAt(origin: string, askMs = 5_000) {
  return createWaveSpeedProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { askMs } });
}
