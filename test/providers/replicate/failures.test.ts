import { describe, expect, test } from 'vitest';

import { failureOfPrediction, failureOfRefusal } from '../../../src/providers/replicate/failures.ts';

describe('a prediction that failed', () => {
  test.each([
    ['The input or output was flagged as sensitive. (E005) (sLrh2OZ0YR)', 'moderation', 'never', 'E005'],
    ['Director: unexpected error handling prediction (E6716)', 'timed_out', 'elsewhere', 'E6716'],
    ['E1001: out of memory', 'provider_failed', 'same', 'E1001'],
    ['Error code: e1000', 'provider_failed', 'same', 'E1000'],
    ['Prediction failed (E4875)', 'provider_failed', 'same', 'E4875'],
    ['Against the policy of this model (E9999)', 'moderation', 'never', 'E9999'],
    // A code that we know says more than a word that may be the caller's own.
    ['Out of memory while drawing a sensitive plant (E1001)', 'provider_failed', 'same', 'E1001'],
  ])('%j: %s', (error, ...[code, retry, vendorCode]) => {
    expect(failureOfPrediction(error)).toEqual({ code, retry, vendorCode });
  });

  test.each([
    ['NSFW content detected. Try running it again, or try a different prompt.', 'moderation', 'never'],
    ['Content Policy violation', 'moderation', 'never'],
    ['CUDA out of memory', 'provider_failed', 'same'],
    ['the E005 motorway at night', 'provider_failed', 'same'],
    ['', 'provider_failed', 'same'],
    [null, 'provider_failed', 'same'],
    [undefined, 'provider_failed', 'same'],
    [{ detail: '(E005)' }, 'provider_failed', 'same'],
    [6716, 'provider_failed', 'same'],
  ])('%j has no code', (error, code, retry) => {
    expect(failureOfPrediction(error)).toEqual({ code, retry });
  });
});

describe('a refusal', () => {
  test.each([
    [401, 'auth', 'elsewhere'],
    [402, 'no_credit', 'elsewhere'],
    [403, 'auth', 'elsewhere'],
    [404, 'invalid_input', 'elsewhere'],
    [413, 'invalid_input', 'never'],
    [422, 'invalid_input', 'never'],
    [429, 'rate_limited', 'same'],
  ])('%d is %s, %s', (status, code, retry) => {
    const limit = code === 'rate_limited' ? { limit: 'rate' } : {};
    expect(failureOfRefusal(answer(status, { detail: 'no' }))).toEqual({
      code,
      retry,
      vendorCode: `http_${status}`,
      ...limit,
    });
  });

  test.each([
    ['Request was throttled. Your rate limit resets in ~30s.', 30_000],
    ['Request was throttled. Expected available in 1 second.', 1_000],
    ['try again in 12 seconds', 12_000],
    ['resets in ~999999999s', 600_000],
  ])('%j is a wait', (detail, retryAfterMs) => {
    expect(failureOfRefusal(answer(429, { detail }))).toMatchObject({ code: 'rate_limited', retryAfterMs });
  });

  test.each([['resets soon'], ['in ~9999999999999999s'], ['in -5s'], ['within 5s'], ['in 5 minutes'], [7], [null]])(
    '%j is none',
    (detail) => {
      expect(failureOfRefusal(answer(429, { detail }))).not.toHaveProperty('retryAfterMs');
    },
  );

  test.each([
    [{ detail: 'Request was throttled.', status: 429, retry_after: 5 }, 5_000],
    [{ detail: 'resets in ~8s', retry_after: 4.2 }, 5_000],
    [{ detail: '', retry_after: 1e8 }, 600_000],
    [{ detail: 'resets in ~8s', retry_after: null }, 8_000],
    [{ detail: 'resets in ~8s', retry_after: -1 }, 8_000],
    [{ detail: 'resets in ~8s', retry_after: 'soon' }, 8_000],
  ])('%j is a wait too', (json, retryAfterMs) => {
    expect(failureOfRefusal(answer(429, json))).toMatchObject({ retryAfterMs, limit: 'rate' });
  });

  test('a page of a gateway names no limit', () => {
    expect(failureOfRefusal(answer(429, undefined))).not.toHaveProperty('limit');
  });

  test('a header is a better word than the text', () => {
    const failure = failureOfRefusal({ ...answer(429, { detail: 'resets in ~30s' }), retryAfterMs: 2_000 });
    expect(failure).toMatchObject({ retryAfterMs: 2_000 });
  });

  test('only a throttled request has to wait', () => {
    expect(failureOfRefusal(answer(422, { detail: 'ready in 5s' }))).not.toHaveProperty('retryAfterMs');
  });
});

function answer(status: number, json: unknown) {
  return { status, successful: false, json, retryAfterMs: undefined };
}
