import { expect, test } from 'vitest';
import { assert } from '../../src/domain/assert.ts';
import { type FailureCode, failureOf, type RetryAdvice, sentenceOf } from '../../src/domain/failure.ts';

/** The compiler asks for every code here; a changed advice changes what we pay for, so it is said twice. */
const table: Readonly<Record<FailureCode, RetryAdvice>> = {
  invalid_input: 'never',
  moderation: 'never',
  media_fetch: 'never',
  auth: 'elsewhere',
  no_credit: 'elsewhere',
  rate_limited: 'same',
  unreachable: 'same',
  provider_failed: 'same',
  ambiguous_submit: 'elsewhere',
  timed_out: 'elsewhere',
  output_expired: 'elsewhere',
  queue_deadline: 'never',
  no_target_left: 'never',
  terminated: 'never',
  cancelled: 'never',
};
const isCode = (text: string): text is FailureCode => text in table;
const codes = Object.keys(table).filter(isCode);
const rows = codes.map((code) => [code, table[code]] as const);

test.each(rows)('%s may be tried: %s', (code, retry) => {
  expect(failureOf(code)).toEqual({ code, retry });
});

test.each(codes)('%s has a sentence for the caller', (code) => {
  expect(sentenceOf(code)).toMatch(/^[A-Z].+\.$/);
});

test('no two causes are told in the same words', () => {
  expect(new Set(codes.map(sentenceOf)).size).toBe(codes.length);
});

test('the vendor`s evidence overrules the advice', () => {
  expect(failureOf('media_fetch', { retry: 'elsewhere', vendorCode: '1403' })).toEqual({
    code: 'media_fetch',
    retry: 'elsewhere',
    vendorCode: '1403',
  });
});

test('a refusal for load may say which limit it means, and says nothing of it otherwise', () => {
  expect(failureOf('rate_limited', { limit: 'outstanding' })).toMatchObject({ limit: 'outstanding' });
  expect(failureOf('rate_limited')).not.toHaveProperty('limit');
});

test('an assertion that holds is silent, and one that does not is ours', () => {
  expect(() => assert(true, 'never said')).not.toThrow();
  expect(() => assert(0, 'the sky falls')).toThrow('assertion failed: the sky falls');
});
