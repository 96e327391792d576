import { createHmac } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import type { CallbackDelivery } from '../../../src/providers/provider.ts';
import { callbackKey, readCallback } from '../../../src/providers/replicate/callback.ts';

/** The vector of the reference on providers, section 11.3: the vendor's own, and no prediction. */
const published = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  body: '{"test": 2432232314}',
  headers: {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
  now: 1_614_265_330_000,
};

const secret = 'whsec_dGVzdC1zZWNyZXQtZm9yLXVuaXQtdGVzdHMtb25seSE=';
const key = callbackKey(secret);
const signedAt = 1_758_798_328;
const succeeded = JSON.stringify({
  id: 'op1',
  status: 'succeeded',
  output: 'https://replicate.delivery/v.mp4',
  error: null,
});

describe('signed', () => {
  test("the vendor's published vector holds, space in the body and all", () => {
    const delivery = { headers: published.headers, rawBody: Buffer.from(published.body), now: published.now };
    expect(readCallback(delivery, callbackKey(published.secret))).toEqual({
      kind: 'unreadable',
      reason: 'not_a_prediction',
    });
    const changed = Buffer.from(published.body.replace(' ', ''));
    expect(readCallback({ ...delivery, rawBody: changed }, callbackKey(published.secret))).toMatchObject({
      kind: 'forged',
    });
  });

  test.each([
    [
      'succeeded',
      { output: 'https://cdn.example/v.mp4' },
      { kind: 'finished', video: { url: 'https://cdn.example/v.mp4' } },
    ],
    ['failed', { error: 'flagged as sensitive (E005)' }, { kind: 'failed', failure: { code: 'moderation' } }],
    ['canceled', {}, { kind: 'failed', failure: { code: 'provider_failed', retry: 'elsewhere' } }],
    ['aborted', {}, { kind: 'failed', failure: { code: 'timed_out', retry: 'elsewhere' } }],
    ['processing', {}, { kind: 'running' }],
  ])('%s', (status, fields, progress) => {
    const body = JSON.stringify({ id: 'op1', status, ...fields });
    expect(readCallback(deliver(body), key)).toMatchObject({ kind: 'report', operation: 'op1', progress });
  });

  test('the prefix of the secret may be left out', () => {
    expect(readCallback(deliver(succeeded), callbackKey(secret.slice('whsec_'.length))).kind).toBe('report');
  });

  test('one good signature of several is enough', () => {
    const signatures = `v1a,abc v1,${'A'.repeat(43)}= ${sign(succeeded)} v2,x`;
    expect(readCallback(deliver(succeeded, { 'webhook-signature': signatures }), key).kind).toBe('report');
  });

  test.each([-300, 0, 300])('a clock %d s off', (seconds) => {
    expect(readCallback({ ...deliver(succeeded), now: (signedAt + seconds) * 1000 }, key).kind).toBe('report');
  });
});

describe('forged', () => {
  const signature = sign(succeeded);
  test.each([
    ['the wrong secret', deliver(succeeded), Buffer.from('not this')],
    ['the secret as a text', deliver(succeeded, { 'webhook-signature': sign(succeeded, secret.slice(6)) }), key],
    ['another body', { ...deliver(succeeded), rawBody: Buffer.from(succeeded.replace('v.mp4', 'w.mp4')) }, key],
    ['a byte more', { ...deliver(succeeded), rawBody: Buffer.from(`${succeeded} `) }, key],
    ['another version', deliver(succeeded, { 'webhook-signature': signature.replace('v1', 'v3') }), key],
    ['hex', deliver(succeeded, { 'webhook-signature': `v1,${'0'.repeat(64)}` }), key],
    ['a shorter digest', deliver(succeeded, { 'webhook-signature': signature.replace(/..=$/, '=') }), key],
    ['an empty digest', deliver(succeeded, { 'webhook-signature': 'v1,' }), key],
    ['another id', deliver(succeeded, { 'webhook-id': 'msg_2' }), key],
  ])('%s', (_name, delivery, used) => {
    expect(readCallback(delivery, used)).toEqual({ kind: 'forged', reason: 'signature_wrong' });
  });

  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('no %s', (name) => {
    const delivery = deliver(succeeded, { [name]: undefined });
    expect(readCallback(delivery, key)).toEqual({ kind: 'forged', reason: 'header_missing' });
  });

  test.each([-301, 301, 86_400])('a clock %d s off', (seconds) => {
    const delivery = { ...deliver(succeeded), now: (signedAt + seconds) * 1000 };
    expect(readCallback(delivery, key)).toEqual({ kind: 'forged', reason: 'timestamp_stale' });
  });

  test.each(['1758798328.0', '+1758798328', '0x68d51b78', ' 1758798328', '1758798328000000', 'now'])(
    'the timestamp %j',
    (timestamp) => {
      const delivery = deliver(succeeded, { 'webhook-timestamp': timestamp });
      expect(readCallback(delivery, key)).toEqual({ kind: 'forged', reason: 'timestamp_malformed' });
    },
  );
});

describe('a secret', () => {
  test.each(['whsec_', '', 'whsec_not base64', 'whsec_a-b_c-d_e-f', 'whsec_YQ==', 'whsec_====', '********'])(
    '%j is none, and says so before anybody relies on it',
    (text) => {
      expect(() => callbackKey(text)).toThrow('has to be base64');
    },
  );
});

describe('without a secret', () => {
  test('a delivery is a hint, whatever it carries for a signature', () => {
    expect(readCallback(deliver(succeeded), undefined)).toEqual({ kind: 'unsigned' });
    expect(readCallback(deliver(succeeded, { 'webhook-signature': 'v1,00' }), undefined)).toEqual({ kind: 'unsigned' });
  });

  test.each(['', 'not json', '[]', 'null', '{}', '{"id":7,"status":"x"}', '{"id":"../x","status":"succeeded"}'])(
    'is unreadable: %j',
    (body) => {
      expect(readCallback(deliver(body), undefined).kind).toBe('unreadable');
    },
  );
});

function sign(body: string, used: string | Buffer = key): string {
  return `v1,${createHmac('sha256', used).update(`msg_1.${signedAt}.${body}`).digest('base64')}`;
}

function deliver(body: string, headers: Readonly<Record<string, string | undefined>> = {}): CallbackDelivery {
  const own = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(signedAt),
    'webhook-signature': sign(body),
  };
  return { headers: { ...own, ...headers }, rawBody: Buffer.from(body), now: signedAt * 1000 };
}
