import { describe, expect, test } from 'vitest';

import { createReplicateProvider } from '../../../src/providers/replicate/provider.ts';
import { deadOrigin, drip, flood, html, json, reset, stubVendor, text, type Reply } from '../stub-vendor.ts';

const handle = { operation: 'op1', model: 'wan-video/wan-2.6-t2v' };
const url = 'https://replicate.delivery/v.mp4';
const finished = { kind: 'finished', video: { url } };

describe('check', () => {
  test.each([
    ['starting', { status: 'starting' }, { kind: 'queued' }],
    ['processing', { status: 'processing' }, { kind: 'running' }],
    ['a status nobody knows', { status: 'polishing' }, { kind: 'running' }],
    ['succeeded: one URL', { status: 'succeeded', output: url }, finished],
    ['succeeded: several', { status: 'succeeded', output: [null, url, 'https://other.example/2.mp4'] }, finished],
    ['succeeded: an object', { status: 'succeeded', output: { url } }, finished],
    ['succeeded: objects', { status: 'succeeded', output: [{ seed: 7 }, { url }] }, finished],
    ['succeeded: nothing', { status: 'succeeded', output: null }, failed('output_expired', 'elsewhere', 'no_output')],
    ['succeeded: a word', { status: 'succeeded', output: 'done' }, failed('output_expired', 'elsewhere', 'no_output')],
    [
      'succeeded: base64',
      { status: 'succeeded', output: 'data:video/mp4;base64,AA' },
      failed('output_expired', 'elsewhere', 'no_output'),
    ],
    [
      'succeeded an hour ago',
      { status: 'succeeded', output: null, data_removed: true },
      failed('output_expired', 'elsewhere', 'data_removed'),
    ],
    ['failed', { status: 'failed', error: 'it broke' }, failed('provider_failed', 'same')],
    ['failed, E005', { status: 'failed', error: 'flagged (E005)' }, failed('moderation', 'never', 'E005')],
    ['failed, E6716', { status: 'failed', error: 'E6716' }, failed('timed_out', 'elsewhere', 'E6716')],
    ['failed, E1001', { status: 'failed', error: 'no (E1001)' }, failed('provider_failed', 'same', 'E1001')],
    ['failed without a word', { status: 'failed', error: null }, failed('provider_failed', 'same')],
    ['canceled', { status: 'canceled' }, failed('provider_failed', 'elsewhere', 'canceled')],
    ['aborted', { status: 'aborted' }, failed('timed_out', 'elsewhere', 'aborted')],
  ])('%s', async (_name, fields, expected) => {
    const { origin, received } = await stubVendor(prediction(fields));
    expect(await providerAt(origin).check(handle)).toMatchObject(expected);
    expect(received).toMatchObject([{ method: 'GET', url: '/v1/predictions/op1' }]);
  });

  test('404: the operation is missing', async () => {
    const { origin } = await stubVendor(json(404, { title: 'Not found', detail: 'no such prediction', status: 404 }));
    expect(await providerAt(origin).check(handle)).toMatchObject(
      failed('provider_failed', 'elsewhere', 'operation_missing'),
    );
  });

  test.each([
    ['401', json(401, { detail: 'no' }), 'auth'],
    ['402', json(402, { detail: 'no' }), 'no_credit'],
    ['429', json(429, { detail: 'Your rate limit resets in ~3s.' }), 'rate_limited'],
    ['500', json(500, {}), 'unreachable'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
    ["a gateway's own 404", text(404, '<html>no such route</html>'), 'unreachable'],
    ["somebody else's 404", json(404, ['nothing']), 'unreachable'],
    ['422', json(422, { detail: 'bad' }), 'unreachable'],
    ['a redirect', text(302, '', { location: '/login' }), 'unreachable'],
    ['an array', json(200, []), 'unreachable'],
    ['a list instead', json(200, { results: [{ id: 'op1', status: 'succeeded' }] }), 'unreachable'],
    ['no status', prediction({}), 'unreachable'],
    ['a status that is no text', prediction({ status: 4 }), 'unreachable'],
    ['another operation', prediction({ id: 'op2', status: 'succeeded' }), 'unreachable'],
    ['a hundred megabytes', flood, 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('%s: ask again', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    const asked = providerAt(origin).check(handle);
    await expect(asked).rejects.toMatchObject({ name: 'ProviderUnreachableError', failure: { code } });
  });

  test('a dripping body: ask again', async () => {
    const { origin } = await stubVendor(drip);
    const asked = providerAt(origin, 100).check(handle);
    await expect(asked).rejects.toMatchObject({ failure: { vendorCode: 'timeout' } });
  });

  test('nobody there: ask again', async () => {
    const asked = providerAt(await deadOrigin()).check(handle);
    await expect(asked).rejects.toMatchObject({ failure: { vendorCode: 'ECONNREFUSED' } });
  });

  test.each(['../account', '..', 'a/b', 'a?b', ''])('an id %j is never put into a path', async (operation) => {
    const { origin, received } = await stubVendor(prediction({ status: 'starting' }));
    await expect(providerAt(origin).check({ ...handle, operation })).rejects.toThrow('assertion failed');
    expect(received).toHaveLength(0);
  });
});

describe('cancel', () => {
  test.each([
    ['canceled', prediction({ status: 'canceled' }), true],
    ['about to be', prediction({ status: 'processing' }), true],
    ['too late', prediction({ status: 'succeeded' }), false],
    ['failed before', prediction({ status: 'failed' }), false],
    ['another operation', prediction({ id: 'op2', status: 'canceled' }), false],
    ['404', json(404, { detail: 'no' }), false],
    ['500', json(500, {}), false],
    ['HTML', html, false],
    ['reset', reset, false],
  ])('%s', async (_name, reply, confirmed) => {
    const { origin, received } = await stubVendor(reply);
    expect(await providerAt(origin).cancel(handle)).toBe(confirmed);
    expect(received).toMatchObject([{ method: 'POST', url: '/v1/predictions/op1/cancel', body: '' }]);
  });
});

describe('uploadImage', () => {
  const image = { bytes: Buffer.from([0xff, 0xd8, 0xff]), contentType: 'image/jpeg' } as const;

  test('sends the file and returns its URL', async () => {
    const file = { id: 'f1', urls: { get: 'https://api.replicate.com/v1/files/f1' } };
    const { origin, received } = await stubVendor(json(201, file));
    expect(await providerAt(origin).uploadImage(image)).toBe(file.urls.get);
    expect(received).toMatchObject([{ method: 'POST', url: '/v1/files' }]);
    expect(received[0]?.body).toContain('name="content"; filename="input.jpeg"\r\nContent-Type: image/jpeg\r\n\r\n');
  });

  test.each([
    ['no URLs', json(201, { id: 'f1' }), 'unreachable'],
    ['no web URL', json(201, { urls: { get: 'file:///x' } }), 'unreachable'],
    ['too large', json(413, { detail: 'no' }), 'invalid_input'],
    ['401', json(401, { detail: 'no' }), 'auth'],
    ['500', json(500, {}), 'unreachable'],
  ])('%s', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    await expect(providerAt(origin).uploadImage(image)).rejects.toMatchObject({ failure: { code } });
  });
});

function prediction(fields: object): Reply {
  return json(200, { id: 'op1', ...fields });
}

function failed(code: string, retry: string, vendorCode?: string) {
  return { kind: 'failed', failure: { code, retry, ...(vendorCode !== undefined && { vendorCode }) } };
}

function providerAt(origin: string, askMs = 5_000) {
  return createReplicateProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { askMs } });
}
