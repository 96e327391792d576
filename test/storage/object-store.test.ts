import { array, assert, constantFrom, pre, property } from 'fast-check';
import { expect, test } from 'vitest';
import { assertKey, assetKey, contentTypeOf } from '../../src/storage/object-store.ts';
import { hostileKeys } from './object-store.ts';

test.each([
  ['a.png', 'image/png'],
  ['inputs/default/video_0197-a.jpg', 'image/jpeg'],
  ['a/b/c/d/1.webp', 'image/webp'],
  [assetKey({ tenant: 'default', jobId: 'video_0197', attempt: 2 }), 'video/mp4'],
])('%s is a key, of type %s', (key, type) => {
  assertKey(key);
  expect(contentTypeOf(key)).toBe(type);
});

test.each(hostileKeys)('%j is none', (key) => {
  expect(() => assertKey(key)).toThrow('assertion failed: a key is one of ours');
});

test('whatever passes for a key stays below its folder, and is plain', () => {
  const part = constantFrom('a', 'B', '.', '..', '/', '\\', '\0', '%2e', 'mp4', '.mp4', '-', '_', ' ', '\n', '~');
  assert(
    property(array(part, { maxLength: 12 }), (parts) => {
      const key = `${parts.join('')}.mp4`;
      pre(isKey(key));
      expect(new URL(key, 'file:///objects/').pathname).toBe(`/objects/${key}`);
      expect(key.split('/').length).toBeLessThanOrEqual(5);
      expect(key).toBe(key.toLowerCase());
    }),
    { numRuns: 500 },
  );
});

test('what is no key of ours has no media type', () => {
  expect(contentTypeOf('index.html')).toBe('application/octet-stream');
  expect(contentTypeOf('constructor')).toBe('application/octet-stream');
});

function isKey(key: string): boolean {
  try {
    assertKey(key);
    return true;
  } catch {
    return false;
  }
}
