import { describe, expect, test } from 'vitest';

import { createFalProvider } from '../../../src/providers/fal/provider.ts';
import { deadOrigin, drip, flood, html, json, reset, stubVendor, text, type Reply } from '../stub-vendor.ts';

const model = 'fal-ai/kling-video/v2.6/pro/text-to-video';
const handle = { operation: 'req-1', model };
const url = 'https://v3.vendor.example/files/out.mp4';
const path = '/fal-ai/kling-video/requests/req-1';

/** What the state is answered with, and then the result. */
function state(fields: object): Reply {
  return json(200, { request_id: 'req-1', ...fields });
}

const completed = state({ status: 'COMPLETED', logs: null, metrics: { inference_time: 42 } });
const own = { 'x-fal-request-id': 'req-1' };

describe('check, the state', () => {
  test.each([
    ['in the queue', state({ status: 'IN_QUEUE', queue_position: 3 }), { kind: 'queued' }],
    ['in lower case', state({ status: 'in_queue' }), { kind: 'queued' }],
    ['in progress', state({ status: 'IN_PROGRESS', logs: [] }), { kind: 'running' }],
    ['a status nobody knows', state({ status: 'POLISHING' }), { kind: 'running' }],
    ['without the id', json(200, { status: 'IN_PROGRESS' }), { kind: 'running' }],
    ['timed out', failing('request_timeout'), failed('timed_out', 'elsewhere')],
    ['cancelled', failing('client_cancelled'), failed('provider_failed', 'elsewhere')],
    ['moderated', failing('content_policy_violation'), failed('moderation', 'never')],
    [
      'a type without an error',
      state({ status: 'COMPLETED', error_type: 'internal_error' }),
      failed('provider_failed'),
    ],
  ])('%s', async (_name, reply, expected) => {
    const { origin, received } = await stubVendor(reply);
    expect(await providerAt(origin).check(handle)).toMatchObject(expected);
    expect(received).toMatchObject([{ method: 'GET', url: `${path}/status` }]);
    expect(received[0]?.headers).toMatchObject({ authorization: 'Key secret-key' });
  });

  test('is asked for at the path that the vendor named', async () => {
    const { origin, received } = await stubVendor(state({ status: 'IN_QUEUE' }));
    await providerAt(origin).check({ operation: 'req-1@queue/v2/req-1', model });
    expect(received).toMatchObject([{ url: '/queue/v2/req-1/status' }]);
  });

  test('404: the operation is missing', async () => {
    const { origin } = await stubVendor(json(404, { detail: 'Request not found' }));
    expect(await providerAt(origin).check(handle)).toMatchObject(failed('provider_failed', 'elsewhere'));
  });

  test.each([
    ['401', json(401, { detail: 'no' }), 'auth'],
    ['403, locked', json(403, { detail: 'User is locked' }), 'no_credit'],
    ['429', json(429, { detail: 'no' }, { 'retry-after': '3' }), 'rate_limited'],
    ['500', json(500, { detail: 'no', error_type: 'internal_error' }), 'unreachable'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
    ["a gateway's own 404", text(404, '<html>no such route</html>'), 'unreachable'],
    ['404 without a word', json(404, {}), 'unreachable'],
    ['422', json(422, { detail: [{ type: 'content_policy_violation' }] }), 'unreachable'],
    ['a redirect', text(302, '', { location: '/login' }), 'unreachable'],
    ['no status', state({}), 'unreachable'],
    ['a status that is no text', state({ status: 7 }), 'unreachable'],
    ['a list', json(200, [{ status: 'COMPLETED' }]), 'unreachable'],
    ['another operation', json(200, { request_id: 'req-2', status: 'COMPLETED' }), 'unreachable'],
    ['a hundred megabytes', flood, 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('%s: ask again', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    await expect(providerAt(origin).check(handle)).rejects.toMatchObject({
      name: 'ProviderUnreachableError',
      failure: { code },
    });
  });

  test('a dripping body: ask again', async () => {
    const { origin } = await stubVendor(drip);
    await expect(providerAt(origin, 100).check(handle)).rejects.toMatchObject({ failure: { vendorCode: 'timeout' } });
  });

  test('nobody there: ask again', async () => {
    const asked = providerAt(await deadOrigin()).check(handle);
    await expect(asked).rejects.toMatchObject({ failure: { vendorCode: 'ECONNREFUSED' } });
  });

  test.each(['../balance', '..', 'a/b', 'a?b', '', 'req-1@../x', 'req-1@a//b'])(
    'an operation %j is never put into a path',
    async (operation) => {
      const { origin, received } = await stubVendor(state({ status: 'IN_QUEUE' }));
      await expect(providerAt(origin).check({ operation, model })).rejects.toThrow('assertion failed');
      expect(received).toHaveLength(0);
    },
  );
});

describe('check, the result of what is completed', () => {
  test('is a video', async () => {
    const { origin, received } = await stubVendor(completed, json(200, { video: { url, content_type: 'video/mp4' } }));
    expect(await providerAt(origin).check(handle)).toEqual({ kind: 'finished', video: { url } });
    expect(received).toMatchObject([{ url: `${path}/status` }, { url: path }]);
  });

  test.each([
    ['no video', json(200, { images: [] }), failed('output_expired', 'elsewhere')],
    ['a video without a URL', json(200, { video: {} }), failed('output_expired', 'elsewhere')],
    [
      'bytes for a URL',
      json(200, { video: { url: 'data:video/mp4;base64,AA' } }),
      failed('output_expired', 'elsewhere'),
    ],
    ['404, removed', json(404, { detail: 'gone' }), failed('output_expired', 'elsewhere')],
    ['410, removed', json(410, { detail: 'gone' }), failed('output_expired', 'elsewhere')],
    ['422, moderation', model422('content_policy_violation'), failed('moderation', 'never')],
    ['422, the picture', model422('file_download_error'), failed('media_fetch', 'never')],
    ['422, a field', model422('value_error.missing'), failed('invalid_input', 'never')],
    ['422 as a sentence', json(422, { detail: 'no' }), failed('invalid_input', 'never')],
    ['400, another service', json(400, { detail: [{ type: 'downstream_service_error' }] }), failed('provider_failed')],
    ['400 of the platform', json(400, { detail: 'no', error_type: 'bad_request' }), failed('invalid_input', 'never')],
    ['500 of the model', json(500, { detail: 'no' }, own), failed('provider_failed', 'same')],
    ['500 of the model as text', text(500, 'Internal Server Error', own), failed('provider_failed', 'same')],
    ['504 of the model', json(504, { detail: 'no' }, own), failed('timed_out', 'elsewhere')],
    [
      'advice against',
      json(500, { detail: 'no' }, { ...own, 'x-fal-retryable': 'false' }),
      failed('provider_failed', 'elsewhere'),
    ],
    [
      'advice for',
      json(503, { detail: 'no', error_type: 'runner_disconnected' }, { ...own, 'x-fal-retryable': 'true' }),
      failed('provider_failed', 'same'),
    ],
    [
      'advice by its older name',
      json(500, { detail: 'no' }, { ...own, 'x-fal-needs-retry': '0' }),
      failed('provider_failed', 'elsewhere'),
    ],
    [
      'a type in the header',
      json(503, {}, { ...own, 'x-fal-error-type': 'request_timeout' }),
      failed('timed_out', 'elsewhere'),
    ],
  ])('%s', async (_name, result, expected) => {
    const { origin } = await stubVendor(completed, result);
    expect(await providerAt(origin).check(handle)).toMatchObject(expected);
  });

  test.each([
    ['401', json(401, { detail: 'no' }, own), 'auth'],
    ['403', json(403, { detail: 'no' }, own), 'auth'],
    ['429', json(429, { detail: 'no' }, own), 'rate_limited'],
    ['400, the state is ahead', json(400, { detail: 'Request is still in progress' }), 'unreachable'],
    ['500 of whomever', json(500, { detail: 'no', error_type: 'internal_error' }), 'unreachable'],
    ['500 of another request', json(500, { detail: 'no' }, { 'x-fal-request-id': 'req-2' }), 'unreachable'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ["a gateway's own 404", text(404, 'no such route'), 'unreachable'],
    ['422 as HTML', text(422, '<html>'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
    ['a list', json(200, [{ video: { url } }]), 'unreachable'],
    ['a hundred megabytes', flood, 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('%s: ask again', async (_name, result, code) => {
    const { origin } = await stubVendor(completed, result);
    await expect(providerAt(origin).check(handle)).rejects.toMatchObject({ failure: { code } });
  });
});

describe('check, an error in the state that its type does not explain', () => {
  const erring = state({ status: 'COMPLETED', error: 'Invalid status code: 422' });

  test.each([
    ['the model says why', model422('content_policy_violation'), failed('moderation', 'never')],
    ['a sentence with 500', json(500, { detail: 'no' }), failed('provider_failed', 'same')],
    ['text with 500, marked', text(500, 'no', own), failed('provider_failed', 'same')],
    ['403 of the model', json(403, { detail: 'no' }, own), failed('provider_failed', 'elsewhere')],
    ['nothing there any more', json(404, { detail: 'gone' }), failed('provider_failed', 'same')],
    ['an output without a video', json(200, {}), failed('provider_failed', 'same')],
    ['a video after all', json(200, { video: { url } }), { kind: 'finished', video: { url } }],
  ])('%s', async (_name, result, expected) => {
    const { origin } = await stubVendor(erring, result);
    expect(await providerAt(origin).check(handle)).toMatchObject(expected);
  });

  test('its type is kept where the result has none', async () => {
    const strange = state({ status: 'COMPLETED', error: 'x', error_type: 'brand_new' });
    const { origin } = await stubVendor(strange, json(422, { detail: 'no' }));
    const failure = { code: 'invalid_input', retry: 'never', vendorCode: 'brand_new' };
    expect(await providerAt(origin).check(handle)).toEqual({ kind: 'failed', failure });
  });

  test.each([
    ['401', json(401, { detail: 'no' }), 'auth'],
    ['403', json(403, { detail: 'no' }), 'auth'],
    ['503 as text', text(503, 'no'), 'unreachable'],
    ['HTML with 200', html, 'unreachable'],
  ])('%s: ask again', async (_name, result, code) => {
    const { origin } = await stubVendor(erring, result);
    await expect(providerAt(origin).check(handle)).rejects.toMatchObject({ failure: { code } });
  });

  test.each([
    ['null', { error: null, error_type: null }],
    ['empty', { error: '', error_type: '' }],
  ])('an error that is %s is none', async (_name, fields) => {
    const { origin } = await stubVendor(state({ status: 'COMPLETED', ...fields }), json(200, { video: { url } }));
    expect(await providerAt(origin).check(handle)).toEqual({ kind: 'finished', video: { url } });
  });
});

describe('cancel', () => {
  test.each([
    ['requested', json(202, { status: 'CANCELLATION_REQUESTED' }), true],
    ['removed', json(200, { status: 'OK' }), true],
    ['202 without a word', text(202, ''), true],
    ['too late', json(400, { status: 'ALREADY_COMPLETED' }), false],
    ['too late, said with 200', json(200, { status: 'ALREADY_COMPLETED' }), false],
    ['not there', json(404, { status: 'NOT_FOUND' }), false],
    ['500', json(500, {}), false],
    ['HTML', html, false],
    ['reset', reset, false],
  ])('%s', async (_name, reply, confirmed) => {
    const { origin, received } = await stubVendor(reply);
    expect(await providerAt(origin).cancel(handle)).toBe(confirmed);
    expect(received).toMatchObject([{ method: 'PUT', url: `${path}/cancel` }]);
  });
});

describe('uploadImage', () => {
  const image = { bytes: Buffer.from([0xff, 0xd8, 0xff]), contentType: 'image/jpeg' } as const;
  const fileUrl = 'https://v3.vendor.example/files/input.jpeg';

  test('asks for a place, puts the bytes there without our key, and returns the URL', async () => {
    const { origin, received } = await stubVendor(
      place((host) => `http://${host}/put/1?signature=x`),
      text(200, ''),
    );
    expect(await providerAt(origin).uploadImage(image)).toBe(fileUrl);
    const [initiated, put] = received;
    expect(initiated).toMatchObject({ method: 'POST', headers: { authorization: 'Key secret-key' } });
    expect(initiated?.url).toBe('/rest/storage/upload/initiate?storage_type=fal-cdn-v3');
    expect(JSON.parse(initiated?.body ?? '')).toEqual({ content_type: 'image/jpeg', file_name: 'input.jpeg' });
    expect(put).toMatchObject({ method: 'PUT', url: '/put/1?signature=x', headers: { 'content-type': 'image/jpeg' } });
    expect(put?.headers).not.toHaveProperty('authorization');
    expect(received).toHaveLength(2);
  });

  test.each([
    ['a private address', () => 'https://10.0.0.1/put'],
    ['the metadata service', () => 'http://169.254.169.254/put'],
    ['a file', () => 'file:///etc/passwd'],
    ['our own host by another port', () => 'http://127.0.0.1:1/put'],
  ])('the bytes go nowhere for %s', async (_name, uploadUrl) => {
    const { origin, received } = await stubVendor(place(uploadUrl));
    await expect(providerAt(origin).uploadImage(image)).rejects.toMatchObject({ failure: { code: 'unreachable' } });
    expect(received).toHaveLength(1);
  });

  test.each([
    ['no URLs', json(200, {}), 'unreachable'],
    ['HTML', html, 'unreachable'],
    ['401', json(401, { detail: 'no' }), 'auth'],
    ['403, locked', json(403, { detail: 'User is locked' }), 'no_credit'],
    ['429', json(429, { detail: 'no' }), 'rate_limited'],
    ['500', json(500, {}), 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('no place: %s', async (_name, reply, code) => {
    const { origin } = await stubVendor(reply);
    await expect(providerAt(origin).uploadImage(image)).rejects.toMatchObject({
      name: 'ProviderUnreachableError',
      failure: { code },
    });
  });

  test.each([
    ['too large', text(413, 'no'), 'invalid_input'],
    ['signature refused', text(403, 'no'), 'unreachable'],
    ['500', text(500, 'no'), 'unreachable'],
    ['a redirect', text(307, '', { location: 'http://169.254.169.254/' }), 'unreachable'],
    ['reset', reset, 'unreachable'],
  ])('not taken: %s', async (_name, reply, code) => {
    const { origin, received } = await stubVendor(
      place((host) => `http://${host}/put/1`),
      reply,
    );
    await expect(providerAt(origin).uploadImage(image)).rejects.toMatchObject({ failure: { code } });
    expect(received).toHaveLength(2);
  });

  function place(uploadUrl: (host: string) => string): Reply {
    return (response, request) => {
      const body = { upload_url: uploadUrl(request.headers.host ?? ''), file_url: fileUrl };
      json(200, body)(response, request);
    };
  }
});

function failing(type: string): Reply {
  return state({ status: 'COMPLETED', error: 'it failed', error_type: type });
}

function model422(type: string): Reply {
  return json(422, { detail: [{ loc: ['body', 'prompt'], msg: 'no', type, input: 'a lighthouse' }] });
}

function failed(code: string, retry?: string) {
  return { kind: 'failed', failure: { code, ...(retry && { retry }) } };
}

function providerAt(origin: string, askMs = 5_000) {
  return createFalProvider({
    baseUrl: origin,
    otherUrls: { rest: `${origin}/rest` },
    apiKey: 'secret-key',
    plainHttpAllowed: true,
    timeouts: { askMs },
  });
}
