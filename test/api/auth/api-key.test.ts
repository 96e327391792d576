import { assert, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { apiKeyText, isKeyId, newApiKey, parseApiKey, secretSha256 } from '../../../src/api/auth/api-key.ts';

test('a key is one word, as long as it says, and comes apart as it was put together', () => {
  for (let count = 0; count < 200; count += 1) {
    const key = newApiKey();
    const text = apiKeyText(key);
    expect(text).toMatch(/^spw_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{43}$/);
    expect(parseApiKey(text)).toEqual(key);
    expect(isKeyId(key.id)).toBe(true);
  }
});

test('no two keys are alike, and all characters occur in secrets', () => {
  const keys = Array.from({ length: 500 }, newApiKey);
  expect(new Set(keys.map(({ id }) => id)).size).toBe(500);
  expect(new Set(keys.map(({ secret }) => secret)).size).toBe(500);
  expect(new Set(keys.flatMap(({ secret }) => secret.slice(1).split(''))).size).toBe(62);
});

test('only a hash of the secret is kept, and it is SHA-256', () => {
  expect(secretSha256('abc').toString('hex')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

const key = apiKeyText(newApiKey());

test.each([
  ['nothing', ''],
  ['a truncated one', key.slice(0, -1)],
  ['a longer one', `${key}x`],
  ['one without its secret', key.slice(0, 31)],
  ['one of another environment', key.replace('_live_', '_test_')],
  ['one in capitals', key.toUpperCase()],
  ['one with a space before it', ` ${key}`],
  ['one with a line break after it', `${key}\n`],
  ['one with a third part', `${key}_x`],
  ['one with a NUL', `${key.slice(0, -1)}\0`],
  ['one with a letter of another script', `${key.slice(0, -1)}е`],
])('what has not the form of a key is none: %s', (_name, text) => {
  expect(parseApiKey(text)).toBeUndefined();
});

test('whatever text comes, reading it does not throw', () => {
  assert(
    property(string({ unit: 'binary', maxLength: 200 }), (text) => {
      expect(parseApiKey(text)).toBeUndefined();
      expect(parseApiKey(`spw_live_${text}`)).toBeUndefined();
    }),
  );
});
