import { describe, expect, test } from 'vitest';

import type { CallbackDelivery } from '../../../src/providers/provider.ts';
import { callbackKey, readCallback } from '../../../src/providers/wavespeed/callback.ts';

/** The vectors of the reference on providers, section 11.1. */
const a = {
  secret: 'whsec_e9EE3BdyXSxcB4ZyZUKjQUEoQX4sF9P1+eMpb/KluCM=',
  body: '{"id":"task-1","status":"completed"}',
  signature: 'v3,eadf9ec589dfbc4e35e7de13f34beaf446a279abba81804df2ef8249e83e5325',
};
const b = {
  secret: 'whsec_dGVzdC1zZWNyZXQtZm9yLXVuaXQtdGVzdHMtb25seSE=',
  body: '{"id":"task-1","status":"completed","outputs":["https://example.com/v.mp4"]}',
  signature: 'v3,09e740e168f873acf176277f4989d28445b8887a49ad2d44aae043a0aeb5c851',
};
const signedAt = 1_758_798_328;

describe('signed', () => {
  test('vector A: finished without an output', () => {
    const progress = { kind: 'failed', failure: { code: 'output_expired' } };
    expect(read(deliver(a), a.secret)).toMatchObject({ kind: 'report', operation: 'task-1', progress });
  });

  test('vector B: finished', () => {
    const progress = { kind: 'finished', video: { url: 'https://example.com/v.mp4' } };
    expect(read(deliver(b), b.secret)).toEqual({ kind: 'report', operation: 'task-1', progress });
  });

  test('the prefix of the secret may be left out', () => {
    expect(read(deliver(b), b.secret.slice('whsec_'.length)).kind).toBe('report');
  });

  test('one good signature of several is enough', () => {
    const signature = `v1,abc ${a.signature} v3,${'0'.repeat(64)} ${b.signature}`;
    expect(read(deliver({ ...b, signature }), b.secret).kind).toBe('report');
  });

  test.each([-300, 0, 300])('a clock %d s off', (seconds) => {
    expect(read({ ...deliver(b), now: (signedAt + seconds) * 1000 }, b.secret).kind).toBe('report');
  });
});

describe('forged', () => {
  test.each([
    ['the wrong secret', deliver(b), a.secret],
    ['another body', deliver({ ...b, body: b.body.replace('v.mp4', 'w.mp4') }), b.secret],
    ['a byte more', deliver({ ...b, body: `${b.body} ` }), b.secret],
    ['another version', deliver({ ...b, signature: b.signature.replace('v3', 'v1') }), b.secret],
    ['upper case', deliver({ ...b, signature: `v3,${b.signature.slice(3).toUpperCase()}` }), b.secret],
    ['a shorter digest', deliver({ ...b, signature: b.signature.slice(0, -2) }), b.secret],
    ['an empty digest', deliver({ ...b, signature: 'v3,' }), b.secret],
    ['another id', deliver(b, { 'webhook-id': 'task-2' }), b.secret],
  ])('%s', (_name, delivery, secret) => {
    expect(read(delivery, secret)).toEqual({ kind: 'forged', reason: 'signature_wrong' });
  });

  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('no %s', (name) => {
    expect(read(deliver(b, { [name]: undefined }), b.secret)).toEqual({
      kind: 'forged',
      reason: 'header_missing',
    });
  });

  test.each([-301, 301, 86_400])('a clock %d s off', (seconds) => {
    const delivery = { ...deliver(b), now: (signedAt + seconds) * 1000 };
    expect(read(delivery, b.secret)).toEqual({ kind: 'forged', reason: 'timestamp_stale' });
  });

  test.each(['1758798328.0', '+1758798328', '0x68d51b78', ' 1758798328', '1758798328000000', 'now'])(
    'the timestamp %j',
    (timestamp) => {
      const delivery = deliver(b, { 'webhook-timestamp': timestamp });
      expect(read(delivery, b.secret)).toEqual({ kind: 'forged', reason: 'timestamp_malformed' });
    },
  );
});

describe('a secret', () => {
  test.each(['', 'whsec_', 'whsec_two words', 'whsec_dGVzdC1z\n'])(
    '%j is none, and says so before anybody relies on it',
    (text) => {
      expect(() => callbackKey(text)).toThrow('copy it again');
    },
  );
});

describe('without a secret', () => {
  test('a delivery is a hint, whatever it carries for a signature', () => {
    expect(read(deliver(b), undefined)).toEqual({ kind: 'unsigned' });
    expect(read(deliver({ ...b, signature: 'v3,00' }), undefined)).toEqual({ kind: 'unsigned' });
  });

  test.each(['', 'not json', '[]', 'null', '{}', '{"id":7,"status":"x"}', '{"id":"../x","status":"completed"}'])(
    'is unreadable: %j',
    (body) => {
      expect(read(deliver({ ...b, body }), undefined).kind).toBe('unreadable');
    },
  );
});

function read(delivery: CallbackDelivery, secret: string | undefined) {
  return readCallback(delivery, secret === undefined ? undefined : callbackKey(secret));
}

function deliver(
  vector: { body: string; signature: string },
  headers: Readonly<Record<string, string | undefined>> = {},
): CallbackDelivery {
  const own = {
    'webhook-id': 'task-1',
    'webhook-timestamp': String(signedAt),
    'webhook-signature': vector.signature,
  };
  return { headers: { ...own, ...headers }, rawBody: Buffer.from(vector.body), now: signedAt * 1000 };
}
