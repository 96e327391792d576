import { createHash, createPublicKey, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { keySetOf, signedHeaders } from '../../../src/simulator/fal/signature.ts';

const keySetSchema = z.object({
  keys: z.tuple([z.looseObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43) })]),
});

const parts = { id: 'req-1', timestamp: '1700000000', body: '{"a":1}', secret: 'one' };

/** Written out once more, so that signer and adapter can't be wrong together in one place. */
function isSignedBy(secret: string, headers: Readonly<Record<string, string>>, body: string): boolean {
  const [jwk] = keySetSchema.parse(keySetOf(secret)).keys;
  const digest = createHash('sha256').update(body, 'utf8').digest('hex');
  const message = `req-1\n${headers['x-fal-webhook-user-id']}\n1700000000\n${digest}`;
  const signature = Buffer.from(headers['x-fal-webhook-signature'] ?? '', 'hex');
  return verify(null, Buffer.from(message), createPublicKey({ key: jwk, format: 'jwk' }), signature);
}

test('the published key fits what is signed, and nothing else', () => {
  const headers = signedHeaders(parts);
  expect(headers).toMatchObject({ 'x-fal-webhook-request-id': 'req-1', 'x-fal-webhook-timestamp': '1700000000' });
  expect(isSignedBy('one', headers, parts.body)).toBe(true);
  expect(isSignedBy('one', headers, `${parts.body} `)).toBe(false);
  expect(isSignedBy('two', headers, parts.body)).toBe(false);
});

test('the same secret gives the same keys, after a restart too', () => {
  expect(keySetOf('one')).toEqual(keySetOf('one'));
  expect(keySetOf('one')).not.toEqual(keySetOf('two'));
  expect(JSON.stringify(keySetOf('one'))).not.toContain('"d"');
});
