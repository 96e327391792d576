import { describe, expect, test } from 'vitest';

import { failureOfPrediction, failureOfRefusal, isProofOfRefusal } from '../../../src/providers/wavespeed/failures.ts';

describe('a prediction that failed', () => {
  test.each([
    [1200, 'moderation', 'never'],
    [1400, 'invalid_input', 'never'],
    [1401, 'invalid_input', 'never'],
    [1402, 'media_fetch', 'never'],
    [1403, 'provider_failed', 'same'],
    [1405, 'provider_failed', 'same'],
    [5000, 'provider_failed', 'same'],
    [5003, 'provider_failed', 'same'],
    [5004, 'timed_out', 'elsewhere'],
    [9999, 'provider_failed', 'same'],
  ])('%d is %s, %s', (code, expected, retry) => {
    expect(failureOfPrediction([code])).toEqual({ code: expected, retry, vendorCode: String(code) });
  });

  test.each([[1200], ['1200'], ['1200: refused'], ['code 1200'], ['Error code: 1200, policy'], ['[1200] policy']])(
    'finds the code in %j',
    (evidence) => {
      expect(failureOfPrediction([undefined, 0, '', evidence])).toMatchObject({ code: 'moderation' });
    },
  );

  test.each([
    [['Content flagged as potentially sensitive'], { code: 'moderation', retry: 'never' }],
    [[1299, 'against our content policy'], { code: 'moderation', retry: 'never', vendorCode: '1299' }],
    [[1405, 'a sensitive plant'], { code: 'provider_failed', retry: 'same', vendorCode: '1405' }],
  ])('by its words, where no known code says more: %j', (evidence, failure) => {
    expect(failureOfPrediction(evidence)).toEqual(failure);
  });

  test.each([[200], [0], [null], [''], ['a 1200 horsepower car'], [{ code: 1200 }], [Number.NaN], ['12000']])(
    'finds none in %j',
    (evidence) => {
      expect(failureOfPrediction([evidence])).toEqual({ code: 'provider_failed', retry: 'same' });
    },
  );
});

describe('a refusal', () => {
  test.each([
    [400, 'bad size', 'invalid_input', 'never'],
    [400, 'Insufficient balance', 'no_credit', 'elsewhere'],
    [400, 'you have no credits left', 'no_credit', 'elsewhere'],
    [400, 'a credible imbalance', 'invalid_input', 'never'],
    [401, 'bad key', 'auth', 'elsewhere'],
    [402, '', 'no_credit', 'elsewhere'],
    [403, 'account problem', 'auth', 'elsewhere'],
    [403, 'please top up', 'no_credit', 'elsewhere'],
    [404, 'model not found', 'invalid_input', 'elsewhere'],
    [413, '', 'invalid_input', 'never'],
    [422, '', 'invalid_input', 'never'],
    [429, '', 'rate_limited', 'same'],
    [418, '', 'provider_failed', 'elsewhere'],
  ])('%d %j is %s, %s', (verdict, message, ...[code, retry]) => {
    const failure = failureOfRefusal({ verdict, message, codes: [] });
    expect(failure).toEqual({ code, retry, vendorCode: `http_${verdict}` });
  });

  test.each([
    ['rate limit exceeded: 5 videos per minute', 'rate'],
    ['concurrent task limit exceeded: 3 tasks', 'outstanding'],
  ])('too much at once, %j, is about %s', (message, limit) => {
    const failure = failureOfRefusal({ verdict: 429, message, codes: [], retryAfterMs: 2_000 });
    expect(failure).toMatchObject({ code: 'rate_limited', limit, retryAfterMs: 2_000 });
  });

  test.each([
    [429, 'too many requests'],
    [403, 'rate limit of your account level'],
  ])('%d %j names no limit', (verdict, message) => {
    expect(failureOfRefusal({ verdict, message, codes: [] })).not.toHaveProperty('limit');
  });

  test('a code that blames the request says more than the status', () => {
    const failure = failureOfRefusal({ verdict: 400, message: 'no credit to policy', codes: [400, 1200] });
    expect(failure).toEqual({ code: 'moderation', retry: 'never', vendorCode: '1200' });
  });

  test('a code that blames the vendor does not', () => {
    expect(failureOfRefusal({ verdict: 401, message: '', codes: [5000] })).toMatchObject({ code: 'auth' });
  });

  test.each([400, 401, 404, 429, 451, 1200, 1402])('%d is proof', (verdict) => {
    expect(isProofOfRefusal(verdict)).toBe(true);
  });

  test.each([200, 308, 408, 499, 500, 503, 1403, 5000, 0])('%d is no proof', (verdict) => {
    expect(isProofOfRefusal(verdict)).toBe(false);
  });
});
