import { describe, expect, test } from 'vitest';

import { createRunwayProvider } from '../../../src/providers/runway/provider.ts';
import { deadOrigin, drip, flood, html, json, reset, stubVendor, text, type Reply } from '../stub-vendor.ts';

const handle = { operation: 'task-1', model: 'text_to_video/gen4.5' };
const url = 'https://cdn.runway.example/v.mp4?signature=1';

test('has no way to be called back, nor to list what it was given', () => {
  const provider = createRunwayProvider({ baseUrl: 'https://vendor.example', apiKey: 'k', webhookSecret: 'unused' });
  expect(Object.keys(provider)).toEqual(['name', 'cancelMeans', 'start', 'check', 'cancel', 'erase', 'uploadImage']);
});

describe('check', () => {
  test.each([
    ['PENDING', { status: 'PENDING' }, { kind: 'queued' }],
    ['THROTTLED', { status: 'THROTTLED' }, { kind: 'queued' }],
    ['RUNNING', { status: 'RUNNING', progress: 0.4 }, { kind: 'running' }],
    ['a status nobody knows', { status: 'POLISHING' }, { kind: 'running' }],
    ['SUCCEEDED', { status: 'SUCCEEDED', output: [null, url] }, { kind: 'finished', video: { url } }],
    ['SUCCEEDED with nothing', { status: 'SUCCEEDED', output: [] }, failed('output_expired', 'elsewhere', 'no_output')],
    ['SUCCEEDED with null', { status: 'SUCCEEDED', output: null }, failed('output_expired', 'elsewhere', 'no_output')],
    ['SUCCEEDED with a word', { status: 'SUCCEEDED', output: 'x' }, failed('output_expired', 'elsewhere', 'no_output')],
    ['FAILED', { status: 'FAILED', failure: 'it broke' }, failed('provider_failed', 'same')],
    [
      'FAILED on policy',
      { status: 'FAILED', failureCode: 'SAFETY.INPUT.TEXT' },
      failed('moderation', 'never', 'SAFETY.INPUT.TEXT'),
    ],
    ['CANCELLED', { status: 'CANCELLED' }, failed('provider_failed', 'elsewhere', 'cancelled')],
  ])('%s', async (_name, fields, expected) => {
    const { origin, received } = await stubVendor(task(fields));
    expect(await providerAt(origin).check(handle)).toMatchObject(expected);
    expect(received).toMatchObject([
      { method: 'GET', url: '/v1/tasks/task-1', headers: { 'x-runway-version': '2024-11-06' } },
    ]);
  });

  test('404: the task is missing', async () => {
    const { origin } = await stubVendor(json(404, { error: 'Not found' }));
    expect(await providerAt(origin).check(handle)).toMatchObject(
      failed('provider_failed', 'elsewhere', 'operation_missing'),
    );
  });

  test.each([
    ['401', json(401, { error: 'no' }), 'auth'],
    ['429', json(429, { error: 'no' }, { 'retry-after': '3' }), 'rate_limited'],
    ['500', json(500, {}), 'unreachable'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
    ["a gateway's own 404", text(404, '<html>no such route</html>'), 'unreachable'],
    ["somebody else's 404", json(404, { nothing: true }), 'unreachable'],
    ['400', json(400, { error: 'bad' }), 'unreachable'],
    ['a redirect', text(302, '', { location: '/login' }), 'unreachable'],
    ['an array', json(200, []), 'unreachable'],
    ['no status', task({}), 'unreachable'],
    ['another operation', task({ id: 'task-2', status: 'SUCCEEDED' }), 'unreachable'],
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

  test.each(['../organization', '..', 'a/b', 'a?b', ''])('an id %j is never put into a path', async (operation) => {
    const { origin, received } = await stubVendor(task({ status: 'PENDING' }));
    await expect(providerAt(origin).check({ ...handle, operation })).rejects.toThrow('assertion failed');
    expect(received).toHaveLength(0);
  });
});

describe('cancel', () => {
  test.each([
    ['204', text(204, ''), true],
    ['404', json(404, { error: 'no' }), false],
    ['500', json(500, {}), false],
    ['a redirect', text(302, '', { location: '/login' }), false],
    ['reset', reset, false],
  ])('%s', async (_name, reply, confirmed) => {
    const { origin, received } = await stubVendor(reply);
    expect(await providerAt(origin).cancel(handle)).toBe(confirmed);
    expect(received).toMatchObject([{ method: 'DELETE', url: '/v1/tasks/task-1' }]);
  });
});

describe('uploadImage', () => {
  const prefix = 'data:image/jpeg;base64,'.length;
  const bytesMax = Math.floor((5 * 1024 * 1024 - 1 - prefix) / 4) * 3;

  test('puts the picture into the order itself', async () => {
    const { origin, received } = await stubVendor(html);
    const image = { bytes: Buffer.from([0xff, 0xd8, 0xff]), contentType: 'image/jpeg' } as const;
    expect(await providerAt(origin).uploadImage(image)).toBe('data:image/jpeg;base64,/9j/');
    expect(received).toHaveLength(0);
  });

  test('stays below five megabytes with base64 and all, and leaves what is larger to others', async () => {
    const provider = providerAt('https://vendor.example');
    const largest = { bytes: new Uint8Array(bytesMax), contentType: 'image/jpeg' } as const;
    expect((await provider.uploadImage(largest)).length).toBeLessThan(5 * 1024 * 1024);
    await expect(provider.uploadImage({ ...largest, bytes: new Uint8Array(bytesMax + 1) })).rejects.toMatchObject({
      failure: { code: 'invalid_input', retry: 'elsewhere', vendorCode: 'image_too_large' },
    });
  });
});

function task(fields: object): Reply {
  return json(200, { id: 'task-1', createdAt: '2026-11-21T10:00:00Z', ...fields });
}

function failed(code: string, retry: string, vendorCode?: string) {
  return { kind: 'failed', failure: { code, retry, ...(vendorCode !== undefined && { vendorCode }) } };
}

function providerAt(origin: string, askMs = 5_000) {
  return createRunwayProvider({ baseUrl: origin, apiKey: 'secret-key', timeouts: { askMs } });
}
