import type { Request } from 'express';
import { describe, expect, test } from 'vitest';
import { fingerprintOf, idempotencyKeyOf } from '../../../src/api/accept/idempotency.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import { retryNumberOf } from '../../../src/api/accept/retry-inference.ts';
import { parseVideoWish } from '../../../src/api/schemas.ts';

/** As much of a request as the header needs. */
function requestWith(name: string, ...values: readonly string[]): Request {
  // Node joins headers of one name that it knows nothing of.
  const value = values.length > 0 ? values.join(', ') : undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is read.
  return { get: (asked: string) => (asked === name ? value : undefined) } as unknown as Request;
}
const keyOf = (...values: readonly string[]) => idempotencyKeyOf(requestWith('idempotency-key', ...values));

describe('an Idempotency-Key', () => {
  test.each([
    ['bare', 'abc-123', 'abc-123'],
    ['quoted, as the draft has it', '"abc-123"', 'abc-123'],
    ['quoted, with escapes', String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    ['bare, with a backslash and a quote within', String.raw`a\"b`, String.raw`a\"b`],
    ['the longest', 'k'.repeat(255), 'k'.repeat(255)],
    ['the longest, quoted', `"${'k'.repeat(255)}"`, 'k'.repeat(255)],
    ['with every visible character', '!#$%&()*+,-./:;<=>?@[]^_`{|}~', '!#$%&()*+,-./:;<=>?@[]^_`{|}~'],
  ])('is read: %s', (_name, header, key) => {
    expect(keyOf(header)).toBe(key);
  });

  test('may be absent', () => {
    expect(keyOf()).toBeUndefined();
  });

  test.each([
    ['empty', ['']],
    ['an empty string', ['""']],
    ['a string that does not end', ['"abc']],
    ['a quote that is not escaped', ['"a"b"']],
    ['an escape of something else', [String.raw`"a\b"`]],
    ['an escape of nothing', ['"a\\"']],
    ['two strings in a list', ['"a", "b"']],
    ['parameters', ['"a";b=1']],
    ['a space', ['a b']],
    ['a space in a string', ['"a b"']],
    ['a letter beyond ASCII', ['clé']],
    ['a control character', ['a\tb']],
    ['too long', ['k'.repeat(256)]],
    ['twice, and different', ['a', 'b']],
    ['twice, and the same', ['a', 'a']],
  ] as const)('is refused: %s', (_name, headers) => {
    expect(() => keyOf(...headers)).toThrow(Problem);
  });
});

describe('a fingerprint', () => {
  const wish = parseVideoWish({ prompt: 'a fox', model: 'm', metadata: { a: '1', b: '2' } });
  const png = { kind: 'bytes', bytes: Buffer.from('picture') } as const;

  test('is that of what was asked for, in whatever order', () => {
    const other = parseVideoWish({ metadata: { b: '2', a: '1' }, model: 'm', prompt: 'a fox' });
    expect(fingerprintOf(other, undefined)).toBe(fingerprintOf(wish, undefined));
    expect(fingerprintOf(wish, { ...png, bytes: Buffer.from('picture') })).toBe(fingerprintOf(wish, png));
  });

  test('differs wherever the request does', () => {
    const all = [
      fingerprintOf(wish, undefined),
      fingerprintOf(wish, png),
      fingerprintOf(wish, { kind: 'bytes', bytes: Buffer.from('another') }),
      fingerprintOf(wish, { kind: 'url', url: 'https://example.com/a.png' }),
      fingerprintOf(parseVideoWish({ prompt: 'a fox', model: 'm', metadata: { a: '1' } }), undefined),
      fingerprintOf(parseVideoWish({ prompt: 'a fox ', model: 'm', metadata: { a: '1', b: '2' } }), undefined),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

test.each([
  ['0', 0],
  ['1', 1],
  ['12', 12],
  ['', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['one', undefined],
  ['1, 1', undefined],
  ['9999', undefined],
])('the number of a retry is read from %j', (header, number) => {
  expect(retryNumberOf(requestWith('x-stainless-retry-count', header))).toBe(number);
});

test('a client that does not number its tries is not taken for one that does', () => {
  expect(retryNumberOf(requestWith('x-stainless-retry-count'))).toBeUndefined();
});
