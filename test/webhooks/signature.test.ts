import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { keyOf, newSecret, signedHeaders } from '../../src/webhooks/signature.ts';

const body = Buffer.from('{"type":"video.completed","data":{"metadata":{"name":"Zoë \u2028 🦊"}}}');
const message = { id: 'evt_1', body, now: Date.now() };

test('the library of Standard Webhooks accepts what we sign', () => {
  const secret = newSecret();
  const headers = signedHeaders(message, [keyOf(secret)]);
  expect(new Webhook(secret).verify(body.toString(), headers)).toMatchObject({ type: 'video.completed' });
  expect(Object.keys(headers).toSorted()).toEqual(['webhook-id', 'webhook-signature', 'webhook-timestamp']);
});

test('during a rotation either secret is enough, and a third is not', () => {
  const [current, previous, third] = [newSecret(), newSecret(), newSecret()];
  const headers = signedHeaders(message, [keyOf(current), keyOf(previous)]);
  expect(headers['webhook-signature']?.split(' ')).toHaveLength(2);
  for (const secret of [current, previous]) new Webhook(secret).verify(body.toString(), headers);
  expect(() => new Webhook(third).verify(body.toString(), headers)).toThrow('No matching signature');
});

test.each([
  { what: 'another body', change: { body: Buffer.from('{}') } },
  { what: 'another id', change: { id: 'evt_2' } },
  { what: 'another time', change: { now: message.now - 60_000 } },
])('a signature does not fit $what', ({ change }) => {
  const secret = newSecret();
  const forged = { ...signedHeaders({ ...message, ...change }, [keyOf(secret)]) };
  const { 'webhook-signature': signature = '' } = signedHeaders(message, [keyOf(secret)]);
  const sent = (change.body ?? body).toString();
  expect(() => new Webhook(secret).verify(sent, { ...forged, 'webhook-signature': signature })).toThrow('No matching');
});

test('the vector of the specification', () => {
  const headers = signedHeaders(
    { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: Buffer.from('{"test": 2432232314}'), now: 1_614_265_330_000 },
    [keyOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
  );
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('secrets are new each time, in the form and the length that the specification wants', () => {
  const secrets = Array.from({ length: 100 }, newSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/);
    expect(keyOf(secret).byteLength).toBe(32);
  }
  expect(keyOf(`whsec_${randomBytes(24).toString('base64')}`).byteLength).toBe(24);
});
