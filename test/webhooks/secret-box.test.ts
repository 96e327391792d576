import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSecretBox, SealError } from '../../src/webhooks/secret-box.ts';

const one = { id: 'one', key: randomBytes(32) };
const two = { id: 'two', key: randomBytes(32) };
const secret = 'whsec_c2VjcmV0';

test('what was sealed opens again, and says nothing of itself', () => {
  const box = createSecretBox([one]);
  const sealed = box.seal(secret, 'whe_1');
  expect(sealed).not.toContain('c2VjcmV0');
  expect(sealed).toMatch(/^gcm:one:/);
  expect(box.open(sealed, 'whe_1')).toBe(secret);
  expect(box.seal(secret, 'whe_1')).not.toBe(sealed);
});

test('a new key is put before the old one, which still opens', () => {
  const sealed = createSecretBox([one]).seal(secret, 'whe_1');
  const rotated = createSecretBox([two, one]);
  expect(rotated.open(sealed, 'whe_1')).toBe(secret);
  expect(rotated.seal(secret, 'whe_1')).toMatch(/^gcm:two:/);
  expect(() => createSecretBox([two]).open(sealed, 'whe_1')).toThrow(`sealed with the key 'one'`);
});

test('a secret of one row opens for no other, nor once it was touched, nor with another key of the same id', () => {
  const box = createSecretBox([one]);
  const sealed = box.seal(secret, 'whe_1');
  expect(() => box.open(sealed, 'whe_2')).toThrow('does not open');
  const bytes = Buffer.from(sealed.split(':')[2] ?? '', 'base64');
  for (const index of bytes.keys()) {
    const touched = Buffer.from(bytes);
    touched[index] = (touched[index] ?? 0) ^ 1;
    expect(() => box.open(`gcm:one:${touched.toString('base64')}`, 'whe_1')).toThrow('does not open');
  }
  expect(() => createSecretBox([{ id: 'one', key: two.key }]).open(sealed, 'whe_1')).toThrow('does not open');
  for (const nonsense of ['', 'gcm', 'gcm:one', 'gcm:one:', 'other:one:AAAA'])
    expect(() => box.open(nonsense, 'whe_1')).toThrow(SealError);
});

test('without keys secrets are kept as they are, and open with any keys later', () => {
  const sealed = createSecretBox([]).seal(secret, 'whe_1');
  expect(sealed).toBe(`plain:${secret}`);
  expect(createSecretBox([one]).open(sealed, 'whe_1')).toBe(secret);
});
