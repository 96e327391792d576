import { createHash, createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { readCallback } from '../../../src/providers/fal/callback.ts';
import type { PublishedKeys } from '../../../src/providers/fal/jwks.ts';
import { createPublishedKeys } from '../../../src/providers/fal/jwks.ts';
import type { CallbackDelivery } from '../../../src/providers/provider.ts';

/** The vector of the reference on providers, section 11.2. */
const id = '123e4567-e89b-12d3-a456-426614174000';
const vector = {
  x: 'A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg',
  body: `{"request_id":"${id}","gateway_request_id":"${id}","status":"OK","payload":{"video":{"url":"https://v3.fal.media/files/x/out.mp4"}}}`,
  signature:
    '30a5b5780a36aa922dd71a4d081d8048404c57ff8e0ea0bf2398c270aa593b07' +
    'e3cfe0aaf2ae2f4b9387d4f58c2c66beefa70b2a5baece0b8a3e75ceebc9b206',
};
const signedAt = 1_700_000_000;
const published = keysOf(vector.x);

describe('signed', () => {
  test('the vector: finished', async () => {
    const progress = { kind: 'finished', video: { url: 'https://v3.fal.media/files/x/out.mp4' } };
    expect(await readCallback(deliver(vector), published)).toEqual({ kind: 'report', operation: id, progress });
  });

  test('the seed of the vector makes the same signature', () => {
    expect(signatureOf(vector.body, seededKey())).toBe(vector.signature);
  });

  test('one good key of several is enough', async () => {
    const keys = keysOf(strangersX(), vector.x);
    expect((await readCallback(deliver(vector), keys)).kind).toBe('report');
  });

  test.each([-300, 0, 300])('a clock %d s off', async (seconds) => {
    const delivery = { ...deliver(vector), now: (signedAt + seconds) * 1000 };
    expect((await readCallback(delivery, published)).kind).toBe('report');
  });
});

describe('a genuine word', () => {
  const detail = (type: string) => ({ detail: [{ loc: ['body', 'prompt'], msg: 'field required', type }] });

  test.each([
    ['no video', { status: 'OK', payload: { images: [] } }, failed('output_expired')],
    ['no URL', { status: 'OK', payload: { video: { url: 7 } } }, failed('output_expired')],
    [
      'moderation',
      { status: 'ERROR', error: 'Invalid status code: 422', payload: detail('content_policy_violation') },
      failed('moderation', 'content_policy_violation'),
    ],
    ['a field', { status: 'ERROR', payload: detail('value_error.missing') }, failed('invalid_input')],
    [
      'a status',
      { status: 'ERROR', error: 'Invalid status code: 500', payload: null },
      failed('provider_failed', 'http_500'),
    ],
    ['a timeout', { status: 'ERROR', error: 'Invalid status code: 504' }, failed('timed_out', 'http_504')],
    [
      'the platform',
      { status: 'ERROR', payload: { detail: 'Request timed out', error_type: 'request_timeout' } },
      failed('timed_out', 'request_timeout'),
    ],
    [
      'a type at the top',
      { status: 'ERROR', error_type: 'client_cancelled' },
      failed('provider_failed', 'client_cancelled'),
    ],
    ['words only', { status: 'ERROR', error: 'a lighthouse broke: 1200' }, failed('provider_failed')],
    ['waiting', { status: 'IN_QUEUE' }, { kind: 'queued' }],
    ['under way', { status: 'IN_PROGRESS' }, { kind: 'running' }],
    ['a status nobody knows', { status: 'POLISHING' }, { kind: 'running' }],
  ])('%s', async (_name, fields, progress) => {
    const reading = await readCallback(deliverSigned({ request_id: 'req-1', ...fields }), published);
    expect(reading).toMatchObject({ kind: 'report', operation: 'req-1', progress });
    expect(JSON.stringify(reading)).not.toMatch(/lighthouse|required/);
  });

  test.each([
    ['its output could not be written', { status: 'OK', payload: null, payload_error: 'Response payload is not JSON' }],
    ['its output is missing', { status: 'OK' }],
    ['its output is a text', { status: 'OK', payload: 'x' }],
  ])('asks to ask where %s', async (_name, fields) => {
    const reading = await readCallback(deliverSigned({ request_id: 'req-1', ...fields }), published);
    expect(reading).toEqual({ kind: 'unsigned' });
  });

  test.each([
    '',
    'not json',
    '[]',
    'null',
    '{}',
    '{"request_id":7,"status":"OK"}',
    '{"request_id":"../x","status":"OK"}',
  ])('is unreadable: %j', async (body) => {
    const delivery = deliver({ body, signature: signatureOf(body, seededKey()) });
    expect((await readCallback(delivery, published)).kind).toBe('unreadable');
  });
});

describe('forged', () => {
  test.each([
    ['another body', deliver({ ...vector, body: vector.body.replace('out.mp4', 'own.mp4') })],
    ['a byte more', deliver({ ...vector, body: `${vector.body} ` })],
    ['another id', deliver(vector, { 'x-fal-webhook-request-id': 'req-2' })],
    ['another user', deliver(vector, { 'x-fal-webhook-user-id': 'user_other' })],
    ['another time', deliver(vector, { 'x-fal-webhook-timestamp': String(signedAt + 1) })],
    ['a shorter signature', deliver({ ...vector, signature: vector.signature.slice(2) })],
    ['no hex', deliver({ ...vector, signature: 'x'.repeat(128) })],
    ['base64', deliver({ ...vector, signature: Buffer.from(vector.signature, 'hex').toString('base64') })],
    ['the key of a stranger', deliver({ ...vector, signature: signatureOf(vector.body, strangersKey) })],
    ['zeros', deliver({ ...vector, signature: '0'.repeat(128) })],
  ])('%s', async (_name, delivery) => {
    expect(await readCallback(delivery, published)).toEqual({ kind: 'forged', reason: 'signature_wrong' });
  });

  test.each(['request-id', 'user-id', 'timestamp', 'signature'])('no %s', async (name) => {
    const delivery = deliver(vector, { [`x-fal-webhook-${name}`]: undefined });
    expect(await readCallback(delivery, published)).toEqual({ kind: 'forged', reason: 'header_missing' });
  });

  test.each([-301, 301, 86_400])('a clock %d s off', async (seconds) => {
    const delivery = { ...deliver(vector), now: (signedAt + seconds) * 1000 };
    expect(await readCallback(delivery, published)).toEqual({ kind: 'forged', reason: 'timestamp_stale' });
  });

  test.each(['1700000000.0', '+1700000000', '0x6553f100', ' 1700000000', 'now'])('the time %j', async (timestamp) => {
    const delivery = deliver(vector, { 'x-fal-webhook-timestamp': timestamp });
    expect(await readCallback(delivery, published)).toEqual({ kind: 'forged', reason: 'timestamp_malformed' });
  });

  test('what is malformed costs no question for the keys', async () => {
    let asked = 0;
    const keys: PublishedKeys = { verify: async () => (asked++, true) };
    await readCallback(deliver({ ...vector, signature: 'zz' }), keys);
    await readCallback({ ...deliver(vector), now: 0 }, keys);
    expect(asked).toBe(0);
  });
});

describe('without the keys', () => {
  const none: PublishedKeys = { verify: async () => undefined };

  test('a delivery is a hint', async () => {
    expect(await readCallback(deliver(vector), none)).toEqual({ kind: 'unsigned' });
  });

  test('what cannot be read stays unreadable, and what is stale stays forged', async () => {
    expect((await readCallback(deliver({ ...vector, body: 'not json' }), none)).kind).toBe('unreadable');
    expect((await readCallback({ ...deliver(vector), now: 0 }, none)).kind).toBe('forged');
  });
});

const strangersKey = generateKeyPairSync('ed25519').privateKey;

function strangersX(): string {
  return generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '';
}

/** The private key of the vector: its seed are the bytes 0 to 31. */
function seededKey(): KeyObject {
  const d = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64url');
  return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x: vector.x }, format: 'jwk' });
}

function keysOf(...xs: readonly string[]): PublishedKeys {
  const keys = xs.map((x) => ({ kty: 'OKP', crv: 'Ed25519', x }));
  const text = JSON.stringify({ keys });
  return createPublishedKeys({ http: { request: async () => ({ status: 200, headers: {}, text }) }, now: () => 0 });
}

function signatureOf(body: string, key: KeyObject): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return sign(null, Buffer.from([id, 'user_test', String(signedAt), digest].join('\n')), key).toString('hex');
}

function deliverSigned(value: object): CallbackDelivery {
  const body = JSON.stringify(value);
  return deliver({ body, signature: signatureOf(body, seededKey()) });
}

function deliver(
  said: { body: string; signature: string },
  headers: Readonly<Record<string, string | undefined>> = {},
): CallbackDelivery {
  const own = {
    'x-fal-webhook-request-id': id,
    'x-fal-webhook-user-id': 'user_test',
    'x-fal-webhook-timestamp': String(signedAt),
    'x-fal-webhook-signature': said.signature,
  };
  return { headers: { ...own, ...headers }, rawBody: Buffer.from(said.body), now: signedAt * 1000 };
}

function failed(code: string, vendorCode?: string) {
  return { kind: 'failed', failure: { code, ...(vendorCode && { vendorCode }) } };
}
