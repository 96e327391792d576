import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { createPublishedKeys, type Signed } from '../../../src/providers/fal/jwks.ts';
import { createFalProvider } from '../../../src/providers/fal/provider.ts';
import { createHttp } from '../../../src/providers/http.ts';
import { deadOrigin, drip, flood, html, json, reset, stubVendor, text, type Reply } from '../stub-vendor.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const old = generateKeyPairSync('ed25519');
const fresh = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');

describe('the keys', () => {
  test('are asked for once, and kept for a day', async () => {
    const { verify, clock, received } = await setup(keySet(old.publicKey));
    expect(await verify(old.privateKey)).toBe(true);
    clock.now += dayMs - 1;
    expect(await verify(old.privateKey)).toBe(true);
    expect(received).toMatchObject([{ method: 'GET', url: '/rest/.well-known/jwks.json' }]);
    clock.now += 1;
    expect(await verify(old.privateKey)).toBe(true);
    expect(received).toHaveLength(2);
  });

  test('are asked for again when none fits, at most once a minute', async () => {
    const { verify, clock, received } = await setup(keySet(old.publicKey), keySet(fresh.publicKey));
    expect(await verify(old.privateKey)).toBe(true);
    expect(await verify(fresh.privateKey)).toBe(false);
    expect(received).toHaveLength(1);
    clock.now += minuteMs;
    expect(await verify(fresh.privateKey)).toBe(true);
    expect(await verify(stranger.privateKey)).toBe(false);
    expect(await verify(old.privateKey)).toBe(false);
    expect(received).toHaveLength(2);
  });

  test('are asked for once by all who need them at the same time', async () => {
    const { verify, clock, received } = await setup(keySet(old.publicKey), keySet(old.publicKey, fresh.publicKey));
    const first = Array.from({ length: 20 }, () => verify(old.privateKey));
    expect(await Promise.all(first)).toEqual(Array.from({ length: 20 }, () => true));
    clock.now += minuteMs;
    const missed = Array.from({ length: 20 }, () => verify(fresh.privateKey));
    expect(await Promise.all(missed)).toEqual(Array.from({ length: 20 }, () => true));
    expect(received).toHaveLength(2);
  });

  test('go without our own key', async () => {
    const { origin, received } = await stubVendor(keySet(old.publicKey));
    const provider = createFalProvider({
      baseUrl: origin,
      otherUrls: { rest: `${origin}/rest` },
      apiKey: 'secret-key',
    });
    const headers = {
      'x-fal-webhook-request-id': 'req-1',
      'x-fal-webhook-user-id': 'user',
      'x-fal-webhook-timestamp': '1',
      'x-fal-webhook-signature': '0'.repeat(128),
    };
    expect((await provider.readCallback({ headers, rawBody: Buffer.from('{}'), now: 1_000 })).kind).toBe('forged');
    expect(received).toMatchObject([{ url: '/rest/.well-known/jwks.json' }]);
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });

  test('of another kind are passed over', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
    const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
    const short = { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' };
    const set = json(200, { keys: [rsa, null, 7, x25519, short, {}, { ...jwk(old.publicKey), use: 'sig' }] });
    const { verify } = await setup(set);
    expect(await verify(old.privateKey)).toBe(true);
    expect(await verify(stranger.privateKey)).toBe(false);
  });
});

describe('nobody can tell', () => {
  test.each<[string, Reply]>([
    ['500', json(500, {})],
    ['404', json(404, { detail: 'no' })],
    ['a redirect', text(302, '', { location: '/elsewhere' })],
    ['HTML', html],
    ['no set', json(200, {})],
    ['an empty set', json(200, { keys: [] })],
    ['no key of the kind', json(200, { keys: [{ kty: 'RSA' }] })],
    ['too many keys', keySet(...Array.from({ length: 21 }, () => old.publicKey))],
    ['too large', json(200, { ...set(old.publicKey), padding: 'x'.repeat(65_536) })],
    ['a hundred megabytes', flood],
    ['a dripping body', drip],
    ['reset', reset],
  ])('%s', async (_name, reply) => {
    const { verify, received } = await setup(reply);
    expect(await verify(old.privateKey)).toBeUndefined();
    expect(await verify(old.privateKey)).toBeUndefined();
    expect(received).toHaveLength(1);
  });

  test('nobody is there', async () => {
    expect(await keysAt(await deadOrigin(), { now: 0 }).verify(signed(old.privateKey))).toBeUndefined();
  });

  test('whether a signature that fits no key is false while new keys are not to be had', async () => {
    const { verify, clock } = await setup(keySet(old.publicKey), json(503, {}), keySet(fresh.publicKey));
    expect(await verify(old.privateKey)).toBe(true);
    clock.now += minuteMs;
    expect(await verify(fresh.privateKey)).toBeUndefined();
    expect(await verify(old.privateKey)).toBe(true);
    clock.now += minuteMs;
    expect(await verify(fresh.privateKey)).toBe(true);
  });

  test('by keys that are a day old', async () => {
    const { verify, clock } = await setup(keySet(old.publicKey), json(503, {}));
    expect(await verify(old.privateKey)).toBe(true);
    clock.now += dayMs;
    expect(await verify(old.privateKey)).toBeUndefined();
  });
});

async function setup(...replies: readonly [Reply, ...Reply[]]) {
  const { origin, received } = await stubVendor(...replies);
  const clock = { now: 1_000_000_000_000 };
  const keys = keysAt(origin, clock);
  return { clock, received, verify: (key: KeyObject) => keys.verify(signed(key)) };
}

function keysAt(origin: string, clock: { now: number }) {
  const http = createHttp({
    baseUrl: `${origin}/rest`,
    headers: () => ({}),
    timeouts: { connectMs: 500, totalMs: 200 },
    bytesMax: 65_536,
  });
  return createPublishedKeys({ http, now: () => clock.now });
}

function signed(key: KeyObject): Signed {
  const message = Buffer.from('what is signed');
  return { message, signature: sign(null, message, key) };
}

function keySet(...keys: readonly KeyObject[]): Reply {
  return json(200, set(...keys));
}

function set(...keys: readonly KeyObject[]): object {
  return { keys: keys.map(jwk) };
}

function jwk(key: KeyObject) {
  return { ...key.export({ format: 'jwk' }), kid: 'any' };
}
