import { describe, expect, test } from 'vitest';

import { failureOfRefusal, failureOfTask } from '../../../src/providers/runway/failures.ts';

describe('a task that failed', () => {
  test.each([
    ['SAFETY.INPUT.TEXT', 'moderation', 'never'],
    ['SAFETY.INPUT.IMAGE', 'moderation', 'never'],
    ['SAFETY.OUTPUT.VIDEO', 'moderation', 'never'],
    ['SAFETY', 'moderation', 'never'],
    ['INPUT_PREPROCESSING.SAFETY.TEXT', 'moderation', 'never'],
    ['ASSET.INVALID', 'invalid_input', 'never'],
    ['INTERNAL.BAD_OUTPUT.CODE01', 'provider_failed', 'same'],
    ['INTERNAL', 'provider_failed', 'same'],
    ['INPUT_PREPROCESSING.INTERNAL', 'provider_failed', 'same'],
    ['THIRD_PARTY.UNAVAILABLE', 'provider_failed', 'same'],
    ['SOMETHING.NEW', 'provider_failed', 'same'],
    ['UNSAFETY.ASSET', 'provider_failed', 'same'],
  ])('%s is %s, %s', (failureCode, code, retry) => {
    expect(failureOfTask(failureCode)).toEqual({ code, retry, vendorCode: failureCode });
  });

  test.each([
    [undefined],
    [null],
    [''],
    [7],
    [{}],
    ['the prompt "a lighthouse" is bad'],
    ['safety.input'],
    ['A'.repeat(65)],
    ['A..B'],
  ])('%j is no code', (failureCode) => {
    expect(failureOfTask(failureCode)).toEqual({ code: 'provider_failed', retry: 'same' });
  });
});

describe('a refusal', () => {
  test.each([
    [400, { error: 'Validation of body failed' }, 'invalid_input', 'never'],
    [400, { error: 'You do not have enough credits to run this task.' }, 'no_credit', 'elsewhere'],
    [400, { message: 'credits' }, 'invalid_input', 'never'],
    [400, 'credits', 'invalid_input', 'never'],
    [401, { error: 'bad key' }, 'auth', 'elsewhere'],
    [404, { error: 'no' }, 'invalid_input', 'elsewhere'],
    [405, { error: 'no' }, 'invalid_input', 'elsewhere'],
    [429, { error: 'credits' }, 'rate_limited', 'same'],
    [429, { error: 'You have reached your daily task limit.' }, 'rate_limited', 'same'],
  ])('%d %j is %s, %s', (status, json, ...[code, retry]) => {
    const failure = failureOfRefusal({ status, json, retryAfterMs: undefined });
    expect(failure).toEqual({ code, retry, vendorCode: `http_${status}` });
  });
});
